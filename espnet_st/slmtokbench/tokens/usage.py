"""How much of their codebooks codes use, and what a second of them costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from espnet_st.slmtokbench.tokens.coded_set import CodedSet

Terms = dict[str, tuple[float, float]]


def layer_counts(coded: CodedSet, layer: int) -> np.ndarray:
    """Count each code (codebook_size,) of a layer, counted from 0."""
    size = coded.codebook_sizes[layer]
    counts = np.zeros(size, dtype=np.int64)
    for codes in coded.codes.values():
        counts += np.bincount(codes[layer], minlength=size)
    return counts


def entropy_terms(coded: CodedSet, layer: int, counts: np.ndarray) -> Terms:
    """Compute what each utterance adds to a layer's entropy in bits, for `shares`."""
    with np.errstate(divide="ignore"):
        bits = -np.log2(counts / counts.sum())
    return {
        key: (float(bits[codes[layer]].sum()), float(codes.shape[1]))
        for key, codes in coded.codes.items()
    }


def layer_usage(counts: np.ndarray) -> dict[str, Any]:
    """Describe how a layer's codebook is used.

    Args:
        counts: (codebook_size,) of `layer_counts`.

    Returns:
        `codebook_size`; `used`, how many codes were met, and `unused`, which were not;
        `entropy` of the codes in bits; `perplexity`, 2 to the entropy.
    """
    share = counts[counts > 0] / counts.sum()
    bits = float(-(share * np.log2(share)).sum())
    return {
        "codebook_size": len(counts),
        "used": int((counts > 0).sum()),
        "unused": np.flatnonzero(counts == 0).tolist(),
        "entropy": bits,
        "perplexity": 2.0**bits,
    }


def token_rates(coded: CodedSet, entropies: list[float]) -> dict[str, Any]:
    """Compute tokens and bits per second of speech.

    Args:
        coded: The codes.
        entropies: Bits per code of each layer.

    Returns:
        `frame_rate`; `tokens_per_second` of all layers;
        `deduplicated_tokens_per_second`, where a run of one code in a layer counts
        once, and `deduplicated_layers`, the same of each layer;
        `deduplicated_frames_per_second`, where a run of equal frames counts once;
        `bit_rate`, with log2(codebook_size) bits per code; `entropy_bit_rate`, with the
        entropy of each layer, i.e. of codes that know nothing of their neighbours.
    """
    runs = np.zeros(coded.n_q)
    frame_runs = frames = 0
    for codes in coded.codes.values():
        changed = codes[:, 1:] != codes[:, :-1]
        runs += 1 + changed.sum(axis=1)
        frame_runs += 1 + int(changed.any(axis=0).sum())
        frames += codes.shape[1]
    rate, seconds = coded.frame_rate, frames / coded.frame_rate
    return {
        "frame_rate": rate,
        "seconds": seconds,
        "tokens_per_second": rate * coded.n_q,
        "deduplicated_tokens_per_second": float(runs.sum() / seconds),
        "deduplicated_layers": (runs / seconds).tolist(),
        "deduplicated_frames_per_second": frame_runs / seconds,
        "bit_rate": rate * float(np.log2(coded.codebook_sizes).sum()),
        "entropy_bit_rate": rate * float(sum(entropies)),
    }
