"""Intervals of figures by a bootstrap over utterances, paired between systems.

In each draw an utterance counts 0, 1, 2, ... times, as often as a Poisson variable of
mean 1 says (Chamandy et al., "Estimating uncertainty for massive data streams", 2012).
The variable follows from the draw, the seed and the utterance's key alone, so draw k of
one figure and draw k of another have resampled the same utterances, whatever each of
them lacks: the difference of two figures has the draws' differences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 1000
LEVEL = 95.0
"""Per cent of the draws that an interval holds."""


@dataclass(frozen=True)
class Estimate:
    """Hold a figure and what resampling made of it.

    Attributes:
        value: Figure over all utterances.
        draws: The figure in each draw (draws,); NaN where a draw has nothing to count.
    """

    value: float
    draws: np.ndarray

    @property
    def low(self) -> float:
        """Lower end of the interval; NaN if no draw has a value."""
        return self._percentile((100.0 - LEVEL) / 2)

    @property
    def high(self) -> float:
        """Upper end of the interval; NaN if no draw has a value."""
        return self._percentile((100.0 + LEVEL) / 2)

    def _percentile(self, q: float) -> float:
        finite = self.draws[np.isfinite(self.draws)]
        return float(np.percentile(finite, q)) if len(finite) else float("nan")

    def __sub__(self, other: Estimate) -> Estimate:
        """Subtract another figure, draw by draw: the difference is paired."""
        return Estimate(self.value - other.value, self.draws - other.draws)

    def as_json(self) -> dict[str, float]:
        """Return `value`, `low` and `high`."""
        return {"value": self.value, "low": self.low, "high": self.high}


def draw_weights(keys: Sequence[str], seed: int = 0, draws: int = DRAWS) -> np.ndarray:
    """Draw how often each utterance counts in each draw.

    Args:
        keys: Utterance ids.
        seed: Of all draws.
        draws: How many.

    Returns:
        (draws, len(keys)) float64. A key's column depends on no other key.
    """
    columns = []
    for key in keys:
        digest = hashlib.sha256(f"{seed} {key}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        columns.append(generator.poisson(1.0, draws))
    return np.array(columns, dtype=np.float64).reshape(len(keys), draws).T


def bootstrap(
    values: Mapping[str, Sequence[float] | float],
    figure: Callable[[np.ndarray], np.ndarray],
    seed: int = 0,
    draws: int = DRAWS,
) -> Estimate:
    """Compute a figure of sums over utterances, with its draws.

    Args:
        values: Utterance id to what it adds: K numbers, or one.
        figure: Takes weighted sums (..., K) and counts (...,) in the last column: it
            gets (..., K + 1) and returns (...,), e.g. `ratio`.
        seed: Of the draws.
        draws: How many.

    Raises:
        ValueError: If there is no utterance.
    """
    if not values:
        raise ValueError("no utterance to compute a figure of")
    keys = sorted(values)
    table = np.array([np.atleast_1d(values[key]) for key in keys], dtype=np.float64)
    table = np.concatenate([table, np.ones((len(keys), 1))], axis=1)  # (n, K + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = figure(draw_weights(keys, seed, draws) @ table)
        value = figure(table.sum(axis=0))
    return Estimate(float(value), np.asarray(resampled, dtype=np.float64))


def ratio(sums: np.ndarray) -> np.ndarray:
    """Divide the first sum by the next, for `bootstrap`.

    That is the mean of one number each, or errors by words.
    """
    return sums[..., 0] / sums[..., 1]
