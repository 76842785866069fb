"""Masks of padded batches, for all rooms."""

from __future__ import annotations

import torch
from torch import Tensor


def valid_mask(lengths: Tensor, size: int) -> Tensor:
    """Mark the valid positions of a padded batch.

    Args:
        lengths: Number of valid positions of each row (B,).
        size: Padded length.

    Returns:
        (B, size), boolean: True where a position is valid, False in the padding.
    """
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)
