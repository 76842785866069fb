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

Rows = Mapping[tuple[str, str], Measurements]


def first_scored(names: Sequence[str], rows: Rows) -> str | None:
    """The first of these scorers that measured anything."""
    scored = {scorer for scorer, _ in rows}
    return next((name for name in names if name in scored), None)


def word_errors(
    row: Measurements, seed: int, keys: Collection[str] | None = None
) -> dict[str, float]:
    """Corpus word error rate of a recogniser's row, on `keys` if given."""
    values = {k: v for k, v in row.values.items() if keys is None or k in keys}
    return corpus_wer(
        {key: value["reference"] for key, value in values.items()},
        {key: value["hypothesis"] for key, value in values.items()},
        seed,
    )


def word_error_difference(
    row: Measurements, other: Measurements, seed: int
) -> dict[str, float]:
    """How far the word error rate of `row` lies above that of `other`."""
    references = {k: v["reference"] for k, v in (row.values | other.values).items()}
    heard = [
        {k: v["hypothesis"] for k, v in one.values.items()} for one in (row, other)
    ]
    return wer_difference(references, *heard, seed)


def mean(values: Mapping[str, float]) -> float | None:
    """Mean over utterances, None if there are none."""
    return float(np.mean(list(values.values()))) if values else None


def similarity(row: Measurements, targets: Measurements) -> float | None:
    """Mean similarity of each utterance to the target of the same id."""
    return mean(paired_similarity(row.values, targets.values))


def same_voice_similarity(
    row: Measurements, speakers: Mapping[str, str]
) -> float | None:
    """Mean similarity of different utterances of one speaker, over all pairs."""
    groups: dict[str, list] = {}
    for key, embedding in row.values.items():
        if key in speakers:
            groups.setdefault(speakers[key], []).append(embedding)
    pairs = [
        cosine(group[i], group[j])
        for group in groups.values()
        for i in range(len(group))
        for j in range(i)
    ]
    return float(np.mean(pairs)) if pairs else None


def contrast_with_others(
    row: Measurements,
    voices: Measurements,
    speakers: Mapping[str, str],
) -> dict[str, float] | None:
    """`voice_contrast` of a row against the speech of each speaker.

    Args:
        row: embeddings of what was made.
        voices: embeddings of real speech, under the same utterance ids.
        speakers: utterance id to the voice that was asked for, which is also the
            voice of `voices[utt_id]`.

    Returns:
        None if there are fewer than two voices or nothing in common.
    """
    groups: dict[str, list] = {}
    for key, embedding in voices.values.items():
        if key in speakers:
            groups.setdefault(speakers[key], []).append(embedding)
    if len(groups) < 2 or not any(speakers.get(key) in groups for key in row.values):
        return None
    return voice_contrast(row.values, speakers, groups)
