"""The kinds of listening tests: MUSHRA, MOS and SMOS, their scales and their words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """Describe one kind of test.

    Attributes:
        name: Of files and options.
        title: In headings and tables.
        low, high: Ends of the scale, whole numbers.
        labels: Words of the scale from its low end to its high end; of MUSHRA's they
            stand for fifths of it, of the others' for one point each.
        question: What is asked of each sound.
        instructions: Paragraphs that a rater reads before the test.
        needs_reference: Whether the original is heard beside the sounds.
        needs_prompt: Whether the voice's recording is heard beside the sound.
    """

    name: str
    title: str
    low: int
    high: int
    labels: tuple[str, ...]
    question: str
    instructions: tuple[str, ...]
    needs_reference: bool = False
    needs_prompt: bool = False


GROUNDTRUTH = "Groundtruth"
"""Label of the recordings that are rated among the systems."""

QUALITY_LABELS = ("Bad", "Poor", "Fair", "Good", "Excellent")
"""Of ITU-T P.800's listening-quality scale, and of the fifths of ITU-R BS.1534's."""

MUSHRA = Kind(
    name="mushra",
    title="MUSHRA",
    low=1,
    high=100,
    labels=QUALITY_LABELS,
    question="How good is each sound, compared with the reference?",
    instructions=(
        "In each trial you hear a reference recording and several versions of it. Rate "
        "the quality of each version from 1 (bad) to 100 (excellent, no different from "
        "the reference).",
        "One of the versions is the reference itself, hidden among the others: it "
        "deserves the top of the scale. Switch between the sounds as often as you "
        "like; they go on from the same place.",
    ),
    needs_reference=True,
)
MOS = Kind(
    name="mos",
    title="MOS",
    low=1,
    high=5,
    labels=QUALITY_LABELS,
    question="How natural does this speech sound?",
    instructions=(
        "You hear one recording at a time. Rate how natural the speech sounds, from 1 "
        "(bad) to 5 (excellent), whatever it says and whoever speaks.",
    ),
)
SMOS = Kind(
    name="smos",
    title="SMOS",
    low=1,
    high=5,
    labels=(
        "Not at all similar",
        "Slightly similar",
        "Moderately similar",
        "Very similar",
        "Extremely similar",
    ),
    question="How similar is the voice to that of the prompt?",
    instructions=(
        "In each trial you hear a prompt, the recording of a person, and a sound. Rate "
        "how similar the voice in the sound is to the person's voice, from 1 (not at "
        "all) to 5 (extremely).",
        "The words differ, and so may the quality: rate the likeness of the voices "
        "alone.",
    ),
    needs_prompt=True,
)
KINDS = {kind.name: kind for kind in (MUSHRA, MOS, SMOS)}
