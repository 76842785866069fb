"""Masks of padded batches."""

from __future__ import annotations

import torch
from torch import Tensor


def valid_mask(lengths: Tensor, size: int) -> Tensor:
    """Mark what belongs to each item of a padded batch.

    Args:
        lengths: Of each item (B,).
        size: Length that the items are padded to.

    Returns:
        (B, size) bool, True where valid, on the device of `lengths`.
    """
    return torch.arange(size, device=lengths.device) < lengths[:, None]
