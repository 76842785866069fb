"""Where tokens stand in time: sine positions and rotary positions.

Text and codes are two streams in one sequence, each with positions of its own.
Positions are real frame_index, so that text tokens may be placed at the frames where
they sound (`alignment.py`).
"""

import math

import torch
from torch import nn


def frame_index(x: torch.Tensor) -> torch.Tensor:
    """Number the columns of a batch (B, T): positions (B, T), float."""
    return torch.arange(x.shape[1], device=x.device).float().expand(len(x), -1)


def valid_mask(lengths: torch.Tensor, size: int) -> torch.Tensor:
    """Tell valid from padded positions: (B, size), boolean."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


def sine_table(positions: torch.Tensor, d_model: int) -> torch.Tensor:
    """Give the sine and cosine features of real positions.

    Even channels are sines, odd ones cosines (Vaswani et al., 2017, section 3.5).

    Args:
        positions: Positions (B, T), of the precision that is wanted.
        d_model: Number of channels, even.

    Returns:
        Features (B, T, d_model).
    """
    exponents = torch.arange(0, d_model, 2).to(positions) / d_model
    rates = torch.exp(-math.log(10000.0) * exponents)
    angles = positions.unsqueeze(-1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


class SinePosition(nn.Module):
    """Add sine positions, weighted by a learnt `alpha`, then drop out.

    Source: the USLM release (`ar_text_position.alpha` and its three sisters).
    """

    def __init__(self, dropout: float = 0.0, learn_alpha: bool = True):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1), requires_grad=learn_alpha)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Add positions (B, T) to vectors (B, T, D)."""
        # At least single precision: half of it cannot tell late frames apart.
        precision = torch.promote_types(self.alpha.dtype, torch.float32)
        table = sine_table(positions.to(precision), x.shape[-1])
        return self.dropout(x + self.alpha * table)


def rope_angles(positions: torch.Tensor, head_size: int) -> torch.Tensor:
    """Give the angles' cosines and sines for `apply_rope`.

    Args:
        positions: Positions (B, T), float.
        head_size: Channels of one head, even.

    Returns:
        (2, B, 1, T, head_size / 2).
    """
    exponents = torch.arange(0, head_size, 2, device=positions.device) / head_size
    angles = positions.float().unsqueeze(-1) * torch.exp(-math.log(1e4) * exponents)
    return torch.stack([angles.cos(), angles.sin()]).unsqueeze(2)


def apply_rope(x: torch.Tensor, rope: torch.Tensor) -> torch.Tensor:
    """Turn pairs of channels by the angles of their positions.

    After it, an inner product depends on the difference of positions only
    (RoFormer, Su et al., 2021, eq. 34).

    Args:
        x: Queries or keys (B, H, T, head_size).
        rope: What `rope_angles` gave for the same T.

    Returns:
        Turned x, same shape and type.
    """
    cosine, sine = rope.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat(
        [first * cosine - second * sine, second * cosine + first * sine], dim=-1
    )
