"""From measurements of utterances to the figures of a condition."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from espnet_st.slmtokbench.scorers.base import Measurements
from espnet_st.slmtokbench.scorers.speaker import (
    cosine,
    paired_similarity,
    voice_contrast,
)
from espnet_st.slmtokbench.scorers.wer import corpus_wer, wer_difference

Scores = Mapping[tuple[str, str], Measurements]
"""Measurements by (scorer, condition)."""


def first_scored(names: Sequence[str], scores: Scores) -> str | None:
    """Find the first of these scorers that measured anything."""
    scored = {scorer for scorer, _ in scores}
    return next((name for name in names if name in scored), None)


def word_errors(
    recognized: Measurements, seed: int, keys: Collection[str] | None = None
) -> dict[str, float]:
    """Compute the corpus word error rate of a recogniser, on `keys` if given."""
    values = {k: v for k, v in recognized.values.items() if keys is None or k in keys}
    return corpus_wer(
        {key: value["reference"] for key, value in values.items()},
        {key: value["hypothesis"] for key, value in values.items()},
        seed,
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


def mean(values: Mapping[str, float]) -> float | None:
    """Compute the mean over utterances, None if there are none."""
    return float(np.mean(list(values.values()))) if values else None


def similarity(voices: Measurements, targets: Measurements) -> float | None:
    """Compute the mean similarity of each utterance to the target of the same id."""
    return mean(paired_similarity(voices.values, targets.values))


def by_speaker(voices: Measurements, speakers: Mapping[str, str]) -> dict[str, list]:
    """Group embeddings by speaker; utterances of unknown speakers are left out."""
    groups: dict[str, list] = {}
    for key, embedding in voices.values.items():
        if key in speakers:
            groups.setdefault(speakers[key], []).append(embedding)
    return groups


def same_voice_similarity(
    voices: Measurements, speakers: Mapping[str, str]
) -> float | None:
    """Compute the mean similarity of different utterances of one speaker."""
    pairs = [
        cosine(group[i], group[j])
        for group in by_speaker(voices, speakers).values()
        for i in range(len(group))
        for j in range(i)
    ]
    return float(np.mean(pairs)) if pairs else None


def contrast_with_others(
    made: Measurements, voices: Measurements, speakers: Mapping[str, str]
) -> dict[str, float] | None:
    """Compute `voice_contrast` against the speech of each speaker.

    Args:
        made: Embeddings of what was made.
        voices: Embeddings of real speech, under the same utterance ids.
        speakers: Utterance id to the voice that was asked for, which is also the
            voice of `voices[utt_id]`.

    Returns:
        None if there are fewer than two voices or nothing in common.
    """
    groups = by_speaker(voices, speakers)
    if len(groups) < 2 or not any(speakers.get(key) in groups for key in made.values):
        return None
    return voice_contrast(made.values, speakers, groups)
