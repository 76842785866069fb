"""One-shot voice conversion by swapping layers of codes (paper, section 5.2)."""

from __future__ import annotations

import re

import torch
from torch import Tensor


def parse_layers(text: str, n_q: int) -> int:
    """Parse "2-k" or "2", and give the last layer k that the reference gives.

    Layers are counted from 1 as in the paper; the first is always the source's.

    Raises:
        ValueError: If the form is another, the first layer not 2, or the last one
            above `n_q`.
    """
    match = re.fullmatch(r"(\d+)(?:[-:](\d+))?", text.strip())
    if match is None:
        raise ValueError(f"Layers {text!r}: expected 2 or 2-k, e.g. 2-4.")
    first, last = int(match[1]), int(match[2] or match[1])
    if first != 2 or not 2 <= last <= n_q:
        raise ValueError(
            f"Layers {text!r}: the reference gives layers 2 to k with k from 2 to "
            f"{n_q}; layer 1 is the source's."
        )
    return last


def fit_length(codes: Tensor, length: int) -> Tensor:
    """Cut codes (k, T), or repeat them from their start, to `length` frames.

    Raises:
        ValueError: If there is no frame to repeat.
    """
    available = codes.shape[-1]
    if available == 0:
        raise ValueError("The reference has no frames.")
    return codes[..., torch.arange(length) % available]


def swap_layers(source: Tensor, reference: Tensor, last_layer: int) -> Tensor:
    """Replace acoustic layers of a source by those of a reference.

    Args:
        source: Codes (n_q, T); layer 1, the semantic one, is kept.
        reference: Codes (n_q, T'); layers 2 to `last_layer` are taken, cut or repeated
            to T frames.
        last_layer: In [2, n_q], counted from 1.

    Returns:
        Codes (last_layer, T), for a decoder that takes the first layers only.

    Raises:
        ValueError: If the two differ in layers, or `last_layer` is out of range.
    """
    n_q = source.shape[0]
    if source.dim() != 2 or reference.dim() != 2 or reference.shape[0] != n_q:
        raise ValueError(
            f"Expected source and reference codes (n_q, T) of the same n_q, got "
            f"{tuple(source.shape)} and {tuple(reference.shape)}."
        )
    if not 2 <= last_layer <= n_q:
        raise ValueError(f"Last layer {last_layer}: expected 2 to {n_q}.")
    acoustic = fit_length(reference[1:last_layer], source.shape[1])
    return torch.cat([source[:1], acoustic])
