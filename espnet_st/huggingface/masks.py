"""Padding masks of `transformers`: ones for a signal, zeros behind it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from espnet_st.masks import valid_mask


def lengths_of(mask: Tensor | None, shape: Sequence[int], name: str) -> list[int]:
    """Read the lengths of the signals of a batch.

    Args:
        mask: (B, N) or (B, 1, N); None where all have N.
        shape: (B, N).
        name: Its name, for messages.

    Raises:
        ValueError: If it is of another shape, holds anything but 0 and 1, has padding
            before a signal or within, or a signal is empty.
    """
    batch, length = shape
    if mask is None:
        return [length] * batch
    if mask.dim() == 3 and mask.shape[1] == 1:
        mask = mask[:, 0]
    if tuple(mask.shape) != (batch, length):
        raise ValueError(
            f"{name} has shape {tuple(mask.shape)}; expected {(batch, length)}"
        )
    kept = mask.bool()
    if mask.dtype != torch.bool and not torch.equal(kept.to(mask.dtype), mask):
        raise ValueError(f"{name} has other values than 0 and 1")
    lengths = kept.sum(1)
    if not torch.equal(kept, valid_mask(lengths, length)):
        raise ValueError(
            f"{name} has padding before a signal or within; expected it behind: use a "
            "feature extractor with padding_side='right'"
        )
    empty = (lengths == 0).nonzero()[:, 0].tolist()
    if empty:
        raise ValueError(f"by the {name} signals {empty} are empty")
    return lengths.tolist()
