"""From measurements of utterances to the figures of a condition, with their draws.

A figure of nothing is None: no utterance in common, or nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from espnet_st.slmtokbench.bootstrap import Estimate, bootstrap, ratio
from espnet_st.slmtokbench.scorers.base import Measurements
from espnet_st.slmtokbench.scorers.speaker import (
    contrast_by_utterance,
    paired_similarity,
    similarity_within,
)
from espnet_st.slmtokbench.scorers.wer import (
    Errors,
    errors_by_utterance,
    wer_difference,
)

Scores = Mapping[tuple[str, str], Measurements]
"""Measurements by (scorer, condition)."""


def first_scored(names: Sequence[str], scores: Scores) -> str | None:
    """Find the first of these scorers that measured anything."""
    scored = {scorer for scorer, _ in scores}
    return next((name for name in names if name in scored), None)


def word_errors(
    recognized: Measurements, keys: Collection[str] | None = None
) -> dict[str, Errors]:
    """Count the errors of a recogniser by utterance, on `keys` if given."""
    values = {k: v for k, v in recognized.values.items() if keys is None or k in keys}
    return errors_by_utterance(
        {key: value["reference"] for key, value in values.items()},
        {key: value["hypothesis"] for key, value in values.items()},
    )


def differential_errors(
    recognized: Measurements, original: Measurements
) -> dict[str, Errors]:
    """Count what a recogniser hears otherwise than in the original recordings.

    The reference is what the same recogniser made of the original, so that its own
    errors do not count: the differential word error rate (dWER), as codecs are
    compared by it in DASB (Mousavi et al., 2024).

    Returns:
        Utterance id to errors, for utterances recognised in both. One in which the
        original has no words adds insertions alone.
    """
    common = recognized.values.keys() & original.values.keys()
    return errors_by_utterance(
        {key: original.values[key]["hypothesis"] for key in common},
        {key: recognized.values[key]["hypothesis"] for key in common},
    )


def word_error_difference(
    recognized: Measurements, other: Measurements, seed: int
) -> dict[str, float]:
    """Compute how far the word error rate of one condition lies above another's."""
    both = recognized.values | other.values
    references = {key: value["reference"] for key, value in both.items()}
    ours, theirs = (
        {key: value["hypothesis"] for key, value in one.values.items()}
        for one in (recognized, other)
    )
    return wer_difference(references, ours, theirs, seed)


def mean(values: Mapping[str, float], seed: int) -> Estimate | None:
    """Compute the mean over utterances."""
    return bootstrap(values, ratio, seed) if values else None


def similarity(
    voices: Measurements, targets: Measurements, seed: int
) -> Estimate | None:
    """Compute the mean similarity of each utterance to the target of the same id."""
    return mean(paired_similarity(voices.values, targets.values), seed)


def by_speaker(
    voices: Measurements, speakers: Mapping[str, str]
) -> dict[str, dict[str, list[float]]]:
    """Group embeddings by speaker; utterances of unknown speakers are left out."""
    groups: dict[str, dict[str, list[float]]] = {}
    for key, embedding in voices.values.items():
        if key in speakers:
            groups.setdefault(speakers[key], {})[key] = embedding
    return groups


def same_voice_similarity(
    voices: Measurements, speakers: Mapping[str, str], seed: int
) -> Estimate | None:
    """Compute the mean similarity of different utterances of one speaker."""
    sums = similarity_within(by_speaker(voices, speakers))
    return bootstrap(sums, ratio, seed) if sums else None


def contrast_with_others(
    made: Measurements, voices: Measurements, speakers: Mapping[str, str]
) -> dict[str, tuple[float, float, float]]:
    """Compare what was made with the voice that was asked for, and with all others.

    Args:
        made: Embeddings of what was made.
        voices: Embeddings of real speech, under the same utterance ids.
        speakers: Utterance id to the voice that was asked for, which is also the
            voice of `voices[utt_id]`.

    Returns:
        See `contrast_by_utterance`; nothing if there are fewer than two voices.
    """
    groups = by_speaker(voices, speakers)
    if len(groups) < 2:
        return {}
    samples = {speaker: list(group.values()) for speaker, group in groups.items()}
    return contrast_by_utterance(made.values, speakers, samples)
