"""The orderings that the paper claims, as comparisons of figures.

A figure is of a role (see `systems.ROLES`), a part and a name, as in `estimates`. The
parts here that end in `_all` stand for all layers of that system, however many.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

FIRST, ALL = "rvq1", "rvq1_all"
ONE, SOME, REST = "vc_rvq2", "vc_rvq2_4", "vc_rvq2_all"
"""Layers that a reference gives in conversion, fewest first."""
SPOKEN = "tts"
ABOVE, BELOW = "above", "below"
NEAR_WER, NEAR_SIM = 2.0, 0.05
"""How far ordering d lets a figure fall short: points of WER, similarity."""


@dataclass(frozen=True)
class Figure:
    """Name a figure: of which role, of which part, and which."""

    role: str
    part: str
    name: str


@dataclass(frozen=True)
class Claim:
    """Claim that one figure lies above or below another.

    Attributes:
        ours: The figure of which something is claimed.
        relation: `ABOVE` or `BELOW`.
        other: What it is compared with.
        margin: How far `ours` may lie on the other side, and the claim still hold; a
            claim with a margin says "not worse by more than".
    """

    ours: Figure
    relation: str
    other: Figure
    margin: float = 0.0

    @property
    def sign(self) -> float:
        """Return 1 if more is claimed, -1 if less."""
        return 1.0 if self.relation == ABOVE else -1.0

    @property
    def roles(self) -> set[str]:
        """Return the roles that it needs."""
        return {self.ours.role, self.other.role}


@dataclass(frozen=True)
class Ordering:
    """Hold claims that stand or fall together.

    Attributes:
        letter: Short name.
        text: What is claimed, in words.
        claims: Its comparisons.
        source: Where the paper says so.
    """

    letter: str
    text: str
    claims: tuple[Claim, ...]
    source: str


def paper_orderings(
    near_wer: float = NEAR_WER, near_sim: float = NEAR_SIM
) -> tuple[Ordering, ...]:
    """List the paper's orderings.

    Args:
        near_wer: Points of WER by which ordering d lets the distilled codec be worse.
        near_sim: Similarity by which it may be.

    Raises:
        ValueError: A margin is not above zero.
    """
    for name, margin in (("near_wer", near_wer), ("near_sim", near_sim)):
        if not margin > 0:
            raise ValueError(f"{name}: {margin}, expected a number above 0.")
    return (
        Ordering(
            "a",
            "The first layer of SpeechTokenizer tells more of the text than EnCodec's.",
            (
                _claim("distilled encodec", ABOVE, FIRST, "mi"),
                _claim("distilled encodec", BELOW, FIRST, "downstream_wer"),
            ),
            "section 4.4; EnCodec's text alignment is not in table 3",
        ),
        Ordering(
            "b",
            "PNMI: SpeechTokenizer's first layer, then HuBERT units, then EnCodec.",
            (
                _claim("distilled units", ABOVE, FIRST, "pnmi"),
                _claim("units encodec", ABOVE, FIRST, "pnmi"),
                _claim("distilled encodec", ABOVE, FIRST, "pnmi"),
            ),
            "table 6",
        ),
        Ordering(
            "c",
            "Speech from the first layer keeps the words, more than EnCodec's, and "
            "loses the voice that all layers keep.",
            (
                _claim("distilled encodec", BELOW, FIRST, "wer"),
                _claim("distilled distilled", BELOW, f"{FIRST} {ALL}", "sim"),
            ),
            "table 3",
        ),
        Ordering(
            "d",
            "Speech from all layers is near EnCodec's in words and voice: not worse by "
            f"more than {near_wer:g} points of WER and {near_sim:g} of similarity.",
            (
                _claim("distilled encodec", BELOW, ALL, "wer", near_wer),
                _claim("distilled encodec", ABOVE, ALL, "sim", near_sim),
            ),
            "tables 2 and 3",
        ),
        Ordering(
            "e",
            "Conversion: with more layers of the reference, its voice comes nearer and "
            "words are lost.",
            tuple(
                _claim("distilled distilled", ABOVE, f"{more} {fewer}", name)
                for fewer, more in ((ONE, SOME), (SOME, REST))
                for name in ("sim", "wer")
            ),
            "table 5",
        ),
        Ordering(
            "f",
            "Zero-shot speech of a language model on SpeechTokenizer has fewer wrong "
            "words, and is nearer to the prompt's voice, than on EnCodec (VALL-E).",
            (
                _claim("distilled encodec", BELOW, SPOKEN, "wer"),
                _claim("distilled encodec", ABOVE, SPOKEN, "sim"),
            ),
            "table 4",
        ),
        Ordering(
            "g",
            "Teachers: one layer is best for text, the average for resynthesis, units "
            "are worst.",
            (
                _claim("teacher_layer teacher_avg", ABOVE, FIRST, "mi"),
                _claim("teacher_avg teacher_layer", BELOW, FIRST, "wer"),
                _claim("teacher_avg teacher_layer", BELOW, ALL, "wer"),
                *(
                    _claim(f"teacher_units {teacher}", relation, part, name)
                    for relation, part, name in (
                        (BELOW, FIRST, "mi"),
                        (ABOVE, FIRST, "wer"),
                        (ABOVE, ALL, "wer"),
                    )
                    for teacher in ("teacher_avg", "teacher_layer")
                ),
            ),
            "table 3, section 5.1",
        ),
        Ordering(
            "h",
            "SpeechTokenizer's first layer tells more of the text than all its layers.",
            (_claim("distilled distilled", ABOVE, f"{FIRST} {ALL}", "mi"),),
            "table 3",
        ),
    )


def without_distillation(orderings: Collection[Ordering]) -> tuple[Ordering, ...]:
    """Put the codec without distillation where the paper has EnCodec.

    It differs from the distilled codec in nothing else, so this comparison is of
    distillation alone. Orderings without EnCodec are left out, and of the others the
    claims without it.
    """
    return tuple(
        replace(
            ordering,
            letter=f"{ordering.letter}*",
            text=ordering.text.replace(" (VALL-E)", "").replace(
                "EnCodec", "the same codec without distillation"
            ),
            claims=tuple(
                replace(claim, ours=_plain(claim.ours), other=_plain(claim.other))
                for claim in ordering.claims
                if "encodec" in claim.roles
            ),
            source="not in the paper",
        )
        for ordering in orderings
        if any("encodec" in claim.roles for claim in ordering.claims)
    )


def find_part(part: str, available: Collection[str]) -> str:
    """Find which part of a system is meant.

    Args:
        part: As in `Figure`.
        available: Parts that the system has.

    Returns:
        Of a part `X_all`, `X_<n>` with the highest number; else `part`.
    """
    stem, everything, _ = part.partition("_all")
    if not everything:
        return part
    pattern = re.compile(re.escape(stem) + r"_(\d+)")
    numbers = [int(match[1]) for match in map(pattern.fullmatch, available) if match]
    return f"{stem}_{max(numbers)}" if numbers else part


def _claim(
    roles: str, relation: str, parts: str, name: str, margin: float = 0.0
) -> Claim:
    """Make a claim of "ours other" roles and of parts, one for both or "ours other"."""
    ours, other = roles.split()
    first, last = (parts.split() * 2)[:2]
    return Claim(Figure(ours, first, name), relation, Figure(other, last, name), margin)


def _plain(figure: Figure) -> Figure:
    if figure.role != "encodec":
        return figure
    return replace(figure, role="no_distillation")
