"""Means over frames of a corpus, with draws over its utterances, many at once.

Every figure of codes here is one sum over utterances divided by another, or a function
of that. The utterances' weights, which cost more than the sums, are drawn once for all
figures, and a chunk of utterances at a time: 300 000 utterances take no more memory.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

from espnet_st.slmtokbench.bootstrap import DRAWS, Estimate, draw_weights

Name = TypeVar("Name", bound=Hashable)
CHUNK = 4096
"""Utterances whose weights are held at a time."""


def shares(
    terms: Mapping[Name, Mapping[str, tuple[float, float]]],
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[Name, Estimate]:
    """Divide sums over utterances, in all of them and in each draw.

    Args:
        terms: Figure to utterance id to what it adds to the dividend and the divisor.
        seed: Of the draws.
        draws: How many.

    Returns:
        An estimate of each figure. Where all divisors are 0, so are value and draws; a
        draw without any utterance of a figure is NaN. With fewer than two utterances
        all draws are NaN, for nothing is known of how utterances differ.

    Raises:
        ValueError: A figure has no utterance.
    """
    empty = [name for name, values in terms.items() if not values]
    if empty:
        raise ValueError(f"no utterance to compute {empty[0]} of")
    keys = sorted({key for values in terms.values() for key in values})
    table = np.zeros((len(keys), 2, len(terms)))
    row = {key: index for index, key in enumerate(keys)}
    for column, values in enumerate(terms.values()):
        for key, pair in values.items():
            table[row[key], :, column] = pair
    sums = np.zeros((draws, 2 * len(terms)))
    flat = table.reshape(len(keys), -1)
    for start in range(0, len(keys), CHUNK):
        chunk = slice(start, start + CHUNK)
        sums += draw_weights(keys[chunk], seed, draws) @ flat[chunk]
    drawn = sums.reshape(draws, 2, len(terms))
    whole = table.sum(axis=0)  # (2, figures)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(whole[1] == 0, 0.0, whole[0] / whole[1])
        resampled = np.where(whole[1] == 0, 0.0, drawn[:, 0] / drawn[:, 1])
    found = {}
    for column, (name, values) in enumerate(terms.items()):
        own = resampled[:, column]
        if len(values) < 2:
            own = np.full(draws, np.nan)
        found[name] = Estimate(float(value[column]), own)
    return found


def interval_json(estimate: Estimate) -> dict[str, float | None]:
    """Return `value`, `low` and `high` as JSON has them: None for what is no number."""
    return {
        name: float(number) if np.isfinite(number) else None
        for name, number in estimate.as_json().items()
    }
