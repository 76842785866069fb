"""Whose answers count: unfinished, repeated and careless ones are left out by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet_st.slmtokbench.listening.answers import Answers, Key
from espnet_st.slmtokbench.listening.kinds import GROUNDTRUTH, MUSHRA

REFERENCE_RATING, REFERENCE_SHARE = 90, 0.15
"""ITU-R BS.1534-3, section 4.1.2: out is who rates the hidden reference below this for
more than this share of the items."""

MIN_CORRELATION = 0.2
"""Of a rater's MOS or SMOS ratings with the means of the others'."""

RATERS_TO_CORRELATE = 3

LATE = "~"
"""Sorts behind all dates: answers that were saved before the end was confirmed."""


@dataclass(frozen=True)
class Screened:
    """Hold whose answers count, and whose do not, with the reasons."""

    kept: tuple[Answers, ...]
    excluded: tuple[tuple[Answers, str], ...]


def screen(
    answers: Sequence[Answers], key: Key, min_correlation: float = MIN_CORRELATION
) -> Screened:
    """Apply the rules one after another.

    Left out are: unfinished tests; of several finished ones of one session or one name
    all but the first; who gave all sounds one rating; in MUSHRA, who fails the rule of
    BS.1534-3; in MOS and SMOS, where at least three raters are left, whose ratings
    correlate less than `min_correlation` with the means of the others'.

    Args:
        answers: Of all raters.
        key: Of the test.
        min_correlation: Pearson's; -1 keeps everybody.

    Raises:
        ValueError: If no rater is left.
    """
    excluded = []
    kept = []
    for one in answers:
        if len(one.ratings) < len(key.sounds):
            done = f"{len(one.ratings)} of {len(key.sounds)} sounds are rated"
            excluded.append((one, f"unfinished: {done}"))
        else:
            kept.append(one)
    rules = [_repeated, _constant]
    rules += [_misses_reference] if key.kind is MUSHRA else []
    for rule in rules:
        reasons = rule(kept, key)
        excluded += [(one, why) for one, why in zip(kept, reasons) if why]
        kept = [one for one, why in zip(kept, reasons) if not why]
    if key.kind is not MUSHRA:
        reasons = _correlations(kept, key, min_correlation)
        excluded += [(one, why) for one, why in zip(kept, reasons) if why]
        kept = [one for one, why in zip(kept, reasons) if not why]
    if not kept:
        lines = "; ".join(f"{one.file}: {why}" for one, why in excluded)
        raise ValueError(f"no rater is left ({lines})")
    return Screened(tuple(kept), tuple(excluded))


def _repeated(answers: Sequence[Answers], key: Key) -> list[str]:
    """Name who is among those who finished before."""
    first: dict[tuple[str, str], Answers] = {}
    reasons = {}
    for one in sorted(answers, key=lambda one: (one.finished or LATE, str(one.file))):
        names = [("session", one.session)]
        names += [("rater", one.rater.casefold())] if one.rater else []
        earlier = next((first[name] for name in names if name in first), None)
        if earlier is not None:
            reasons[id(one)] = f"the rater of {earlier.file} again; the first counts"
        else:
            first |= dict.fromkeys(names, one)
    return [reasons.get(id(one), "") for one in answers]


def _constant(answers: Sequence[Answers], key: Key) -> list[str]:
    return [
        "all sounds have the same rating" if len(set(one.ratings.values())) == 1 else ""
        for one in answers
    ]


def _misses_reference(answers: Sequence[Answers], key: Key) -> list[str]:
    reasons = []
    for one in answers:
        below = sum(
            one.ratings[GROUNDTRUTH, item] < REFERENCE_RATING for item in key.items
        )
        misses = below > REFERENCE_SHARE * len(key.items) + 1e-9
        reasons.append(
            f"the hidden reference is below {REFERENCE_RATING} in {below} of "
            f"{len(key.items)} items"
            if misses
            else ""
        )
    return reasons


def _correlations(answers: Sequence[Answers], key: Key, least: float) -> list[str]:
    """Name whose ratings have nothing to do with the others'."""
    if len(answers) < RATERS_TO_CORRELATE:
        return [""] * len(answers)
    names = sorted(key.sounds.values())
    table = np.array([[one.ratings[name] for name in names] for one in answers])
    reasons = []
    for row in table:
        others = (table.sum(axis=0) - row) / (len(table) - 1)
        if np.ptp(others) == 0:
            reasons.append("")
            continue
        value = float(np.corrcoef(row, others)[0, 1])
        reasons.append(
            f"correlation {value:.2f} with the others' means, below {least:g}"
            if value < least
            else ""
        )
    return reasons
