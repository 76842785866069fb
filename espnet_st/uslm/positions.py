"""Positions of tokens and frames in time: sine positions and rotary positions.

Text and codes are two streams in one sequence, each with positions of its own.
Positions are real numbers, so that a text token may stand at the middle of its frames
(`aligner.py`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def frame_index(x: Tensor) -> Tensor:
    """Give the index of each column of a batch (B, T): positions (B, T), float."""
    return torch.arange(x.shape[1], device=x.device).float().expand(len(x), -1)


def sine_table(positions: Tensor, d_model: int) -> Tensor:
    """Compute the sine and cosine features of real positions.

    Even channels are sines, odd ones cosines (Vaswani et al., 2017, section 3.5).

    Args:
        positions: Positions (B, T), of the precision to compute in.
        d_model: Number of channels, even.

    Returns:
        Features (B, T, d_model).
    """
    exponents = torch.arange(0, d_model, 2).to(positions) / d_model
    rates = torch.exp(-math.log(10000.0) * exponents)
    angles = positions.unsqueeze(-1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


class SinePosition(nn.Module):
    """Sine positions, weighted by a learnt `alpha`, then dropout.

    Source: the USLM release (`ar_text_position.alpha` and its three sisters).

    Args:
        dropout: Dropout rate.
        learn_alpha: Whether `alpha` is learnt; else it stays 1.
    """

    def __init__(self, dropout: float = 0.0, learn_alpha: bool = True) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1), requires_grad=learn_alpha)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """Add positions (B, T) to vectors (B, T, D)."""
        # At least single precision: half of it cannot tell late frames apart.
        precision = torch.promote_types(self.alpha.dtype, torch.float32)
        table = sine_table(positions.to(precision), x.shape[-1])
        return self.dropout(x + self.alpha * table)


def rope_angles(positions: Tensor, head_size: int) -> Tensor:
    """Compute cosines and sines of the angles for `apply_rope`.

    Args:
        positions: Positions (B, T), float.
        head_size: Channels of one head, even.

    Returns:
        (2, B, 1, T, head_size / 2).
    """
    exponents = torch.arange(0, head_size, 2, device=positions.device) / head_size
    angles = positions.float().unsqueeze(-1) * torch.exp(-math.log(1e4) * exponents)
    return torch.stack([angles.cos(), angles.sin()]).unsqueeze(2)


def apply_rope(x: Tensor, rope: Tensor) -> Tensor:
    """Rotate pairs of channels by the angles of their positions.

    Then an inner product depends on the difference of positions only
    (RoFormer, Su et al., 2021, eq. 34).

    Args:
        x: Queries or keys (B, H, T, head_size).
        rope: From `rope_angles`, of the same T.

    Returns:
        Rotated x, of the same shape and type.
    """
    cosine, sine = rope.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat(
        [first * cosine - second * sine, second * cosine + first * sine], dim=-1
    )
