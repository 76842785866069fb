"""Figures of a listening test: means with intervals, and differences of systems."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student_t

from espnet_st.slmtokbench.bootstrap import LEVEL, Estimate, draw_weights
from espnet_st.slmtokbench.listening.answers import Answers, Key
from espnet_st.slmtokbench.listening.screening import Screened


@dataclass(frozen=True)
class Score:
    """Hold the figure of one system.

    Attributes:
        mean: Of all its ratings, with draws over raters and items.
        itu: Half of the interval of ITU-R BS.1534-3 and ITU-T P.1401, which take all
            ratings for independent; NaN of one rating.
        ratings: Their number.
    """

    mean: Estimate
    itu: float
    ratings: int


def resampled_mean(
    ratings: np.ndarray, raters: Sequence[str], items: Sequence[str], seed: int
) -> Estimate:
    """Average ratings, with draws that resample raters and items at once.

    A rating counts as often as its rater times as often as its item does (the
    pigeonhole bootstrap: A. B. Owen, "The pigeonhole bootstrap", 2007). Draws are
    paired between systems that the same raters rated on the same items.

    Args:
        ratings: (raters, items).
        raters: Names of rows.
        items: Names of columns.
        seed: Of the draws.
    """
    of_raters = draw_weights([f"rater {one}" for one in raters], seed)  # (draws, R)
    of_items = draw_weights([f"item {one}" for one in items], seed)  # (draws, I)
    sums = np.einsum("dr,ri,di->d", of_raters, ratings, of_items)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = sums / (of_raters.sum(axis=1) * of_items.sum(axis=1))
    return Estimate(float(ratings.mean()), draws)


def student_half_width(ratings: np.ndarray) -> float:
    """Compute t S / sqrt(N) over all ratings; NaN if there is one alone."""
    count = ratings.size
    if count < 2:
        return math.nan
    quantile = float(student_t.ppf((100.0 + LEVEL) / 200, count - 1))
    return quantile * float(ratings.std(ddof=1)) / math.sqrt(count)


def rating_table(answers: Sequence[Answers], key: Key, system: str) -> np.ndarray:
    """Collect a system's ratings (raters, items)."""
    return np.array(
        [[one.ratings[system, item] for item in key.items] for one in answers],
        dtype=np.float64,
    )


def score_systems(
    answers: Sequence[Answers], key: Key, seed: int = 0
) -> dict[str, Score]:
    """Score each system of a test, in the key's order.

    Args:
        answers: Of the raters who count, all finished.
        key: Of the test.
        seed: Of the draws.
    """
    raters = [one.session for one in answers]
    scores = {}
    for system in key.systems:
        table = rating_table(answers, key, system)
        mean = resampled_mean(table, raters, key.items, seed)
        scores[system] = Score(mean, student_half_width(table), table.size)
    return scores


def compare_systems(scores: Mapping[str, Score]) -> dict[tuple[str, str], Estimate]:
    """Subtract the later system of each pair from the earlier, draw by draw."""
    return {
        (one, other): scores[one].mean - scores[other].mean
        for one, other in itertools.combinations(scores, 2)
    }


def verdict(one: str, other: str, difference: Estimate) -> str:
    """Say which system is rated higher, if the interval leaves no doubt."""
    if difference.low > 0:
        return f"{one} is rated higher"
    if difference.high < 0:
        return f"{other} is rated higher"
    return "undecided"


def scores_as_json(
    key: Key, scores: Mapping[str, Score], screened: Screened
) -> dict[str, Any]:
    """Collect all figures, and who was left out."""
    return {
        "test": key.test,
        "kind": key.kind.name,
        "raters": len(screened.kept),
        "items": len(key.items),
        "systems": {
            system: {
                **one.mean.as_json(),
                "itu_half_width": None if math.isnan(one.itu) else one.itu,
                "ratings": one.ratings,
            }
            for system, one in scores.items()
        },
        "differences": [
            {
                "system": one,
                "less": other,
                **value.as_json(),
                "verdict": verdict(one, other, value),
            }
            for (one, other), value in compare_systems(scores).items()
        ],
        "excluded": [
            {"file": str(one.file), "rater": one.rater, "reason": why}
            for one, why in screened.excluded
        ],
    }
