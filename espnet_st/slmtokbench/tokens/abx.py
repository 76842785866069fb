"""ABX: is a triphone nearer to its like than to one with another middle phone?

Triplets, distances and means are those of `fastabx`, as in the ZeroSpeech challenge:
A and X are one triphone, B differs in the middle phone, all three of one speaker
("within") or X of another ("across"). Frames are aligned by dynamic time warping.
"""

from __future__ import annotations

import importlib.util
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from espnet_st.data.kaldi import TimedPhone
from espnet_st.slmtokbench.scorers.base import NotScored
from espnet_st.slmtokbench.systems import layer_part, layer_span
from espnet_st.slmtokbench.tokens.coded_set import CodedSet
from espnet_st.slmtokbench.tokens.phone_times import check_phone_times

SILENCES = frozenset({"", "sil", "sp", "spn", "spoken_noise", "<eps>", "h#", "pau"})
"""Names, in lower case, that no triphone holds."""

GAP = 0.011
"""Seconds between two phones that still follow one another; aligners round to 0.01."""

MAX_SIZE_GROUP, MAX_X_ACROSS = 10, 5
"""Of ZeroSpeech 2021: items of a kind in a triplet's cell, other speakers of X."""


MAX_UTTERANCES = 300
"""More are sampled."""


class Triphone(NamedTuple):
    """Locate a triphone: frames [start, end) of an utterance."""

    utterance: str
    start: int
    end: int
    context: str
    phone: str


def find_triphones(
    coded: CodedSet, alignments: Mapping[str, Sequence[TimedPhone]]
) -> list[Triphone]:
    """Find three phones in a row, without silence, in utterances that have both.

    A frame belongs to the triphone if its middle does; one without a frame is left out.
    """
    found = []
    for key in sorted(set(coded.codes) & set(alignments)):
        n_frames = coded.codes[key].shape[1]
        ordered = sorted(alignments[key])
        for before, middle, after in zip(ordered, ordered[1:], ordered[2:]):
            names = (before.phone, middle.phone, after.phone)
            gaps = (
                middle.start - before.start - before.duration,
                after.start - middle.start - middle.duration,
            )
            if max(map(abs, gaps)) > GAP or {n.lower() for n in names} & SILENCES:
                continue
            start = math.ceil(before.start * coded.frame_rate - 0.5)
            end = math.ceil((after.start + after.duration) * coded.frame_rate - 0.5)
            start, end = max(start, 0), min(end, n_frames)
            if start < end:
                context = f"{before.phone} {after.phone}"
                found.append(Triphone(key, start, end, context, middle.phone))
    return found


def hamming_distance(a: Tensor, b: Tensor) -> Tensor:
    """Compute the share of layers that differ, of all pairs of frames.

    Args:
        a: Codes (n_a, T_a, n_q).
        b: Codes (n_b, T_b, n_q).

    Returns:
        (n_a, n_b, T_a, T_b) in [0, 1].
    """
    layers = zip(a.unbind(dim=2), b.unbind(dim=2))
    return sum(
        (x[:, None, :, None] != y[None, :, None, :]).float() for x, y in layers
    ) / torch.tensor(float(a.shape[2]))


def abx_errors(
    coded: CodedSet,
    alignments: Mapping[str, Sequence[TimedPhone]],
    speakers: Mapping[str, str],
    codebooks: Sequence[np.ndarray] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Compute ABX error rates of the first layer and of all layers.

    Args:
        coded: The codes.
        alignments: Phones with times by utterance.
        speakers: By utterance.
        codebooks: Vectors (codebook_size, D) of each layer: the distance is then the
            angle between their sums. Without them it is the share of layers that
            differ.
        seed: Of the sample of utterances and triplets.

    Returns:
        `distance`, "angular" or "hamming"; `triphones`, how many; and by part, "rvq1"
        and "rvq1_8" (of 8), `within` and `across` speakers: errors in [0, 1], a half by
        chance; None if there is no such triplet, as `across` with one speaker.

    Raises:
        NotScored: `fastabx` is not installed.
        ValueError: Phone times are not of these codes, or there is no triphone.
    """
    if importlib.util.find_spec("fastabx") is None:
        raise NotScored("pip install fastabx (Python 3.12 or later)")
    shared = sorted(set(coded.codes) & set(alignments) & set(speakers))
    if len(shared) > MAX_UTTERANCES:
        shared = sorted(random.Random(seed).sample(shared, MAX_UTTERANCES))
    check_phone_times({key: coded.seconds(key) for key in shared}, alignments)
    triphones = find_triphones(coded, {key: alignments[key] for key in shared})
    if not triphones:
        raise ValueError(
            f"no triphone in {len(shared)} utterances with codes, phones and speakers"
        )
    parts = {layer_part(layer_span(1, last)): last for last in (1, coded.n_q)}
    result: dict[str, Any] = {
        "distance": "hamming" if codebooks is None else "angular",
        "triphones": len(triphones),
    }
    for part, n_layers in parts.items():
        frames = []
        for one in triphones:
            codes = coded.codes[one.utterance][:n_layers, one.start : one.end]
            frames.append(_features(codes, codebooks))
        result[part] = {
            mode: _error(frames, triphones, speakers, mode, result["distance"], seed)
            for mode in ("within", "across")
        }
    return result


def _features(codes: np.ndarray, codebooks: Sequence[np.ndarray] | None) -> np.ndarray:
    """Return frames (T, D) of codes (k, T): sums of vectors, or the codes (T, k)."""
    if codebooks is None:
        return codes.T.astype(np.float32)  # exact up to 2 ** 24 codes
    rows = [np.asarray(book)[line] for book, line in zip(codebooks, codes)]
    return np.sum(rows, axis=0, dtype=np.float32)


def _error(
    frames: Sequence[np.ndarray],
    triphones: Sequence[Triphone],
    speakers: Mapping[str, str],
    mode: str,
    distance: str,
    seed: int,
) -> float | None:
    """Compute one error rate with `fastabx`; None without triplets."""
    import polars
    from fastabx import (
        Dataset,
        EmptyTaskError,
        InMemoryAccessor,
        Score,
        Subsampler,
        Task,
    )

    ends = np.cumsum([len(one) for one in frames])
    spans = {i: (int(e) - len(f), int(e)) for i, (e, f) in enumerate(zip(ends, frames))}
    data = torch.from_numpy(np.concatenate(frames))
    labels = polars.DataFrame(
        {
            "phone": [one.phone for one in triphones],
            "context": [one.context for one in triphones],
            "speaker": [speakers[one.utterance] for one in triphones],
        }
    )
    dataset = Dataset(labels, InMemoryAccessor(spans, data, torch.device("cpu")))
    by, across = (
        (["context", "speaker"], [])
        if mode == "within"
        else (
            ["context"],
            ["speaker"],
        )
    )
    try:
        task = Task(
            dataset,
            on="phone",
            by=by,
            across=across,
            subsampler=Subsampler(MAX_SIZE_GROUP, MAX_X_ACROSS, seed),
        )
    except EmptyTaskError:
        return None
    measure: Any = hamming_distance if distance == "hamming" else distance
    score = Score(task, measure, progress=False)
    return float(score.collapse(levels=["context", "speaker"]))
