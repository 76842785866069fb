"""Where tokens stand in time: sine positions, rotary positions, the common axis.

Text and codes are two streams in one sequence, each with positions of its own.
Positions are real numbers, so that text tokens may be placed at the frames where
they are expected to sound (`text_positions`).
"""

import math

import torch
from torch import nn


def text_positions(
    lengths: torch.Tensor,
    size: int,
    frames_per_token: torch.Tensor | float,
    offsets: torch.Tensor | None = None,
) -> torch.Tensor:
    """Place text tokens on the axis of the frames, at an even pace.

    Args:
        lengths: Number of text tokens (B,); tokens beyond it get positions too.
        size: S, the padded number of tokens.
        frames_per_token: Pace, a number or one for each utterance (B,).
        offsets: Frame where the first token starts (B,); zero if not given.

    Returns:
        Centre of each token in frames (B, S), float.
    """
    steps = torch.arange(size, device=lengths.device, dtype=torch.float32) + 0.5
    pace = torch.as_tensor(frames_per_token, device=lengths.device, dtype=torch.float32)
    positions = pace.reshape(-1, 1) * steps
    if offsets is not None:
        positions = positions + offsets.reshape(-1, 1)
    return positions.expand(len(lengths), size)


def sine_table(positions: torch.Tensor, d_model: int) -> torch.Tensor:
    """Give the sine and cosine features of real positions.

    Even channels are sines, odd ones cosines (Vaswani et al., 2017, section 3.5).

    Args:
        positions: Positions (B, T).
        d_model: Number of channels, even.

    Returns:
        Features (B, T, d_model).
    """
    exponents = torch.arange(0, d_model, 2, device=positions.device) / d_model
    rates = torch.exp(-math.log(10000.0) * exponents)
    angles = positions.unsqueeze(-1).float() * rates
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
        return self.dropout(x + self.alpha * sine_table(positions, x.shape[-1]))


def rotation(positions: torch.Tensor, head_size: int) -> torch.Tensor:
    """Give the angles' cosines and sines for `rotate`.

    Args:
        positions: Positions (B, T), float.
        head_size: Channels of one head, even.

    Returns:
        (2, B, 1, T, head_size / 2).
    """
    exponents = torch.arange(0, head_size, 2, device=positions.device) / head_size
    angles = positions.float().unsqueeze(-1) * torch.exp(-math.log(1e4) * exponents)
    return torch.stack([angles.cos(), angles.sin()]).unsqueeze(2)


def rotate(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Turn pairs of channels by the angles of their positions.

    After it, an inner product depends on the difference of positions only
    (RoFormer, Su et al., 2021, eq. 34).

    Args:
        x: Queries or keys (B, H, T, head_size).
        turn: What `rotation` gave for the same T.

    Returns:
        Turned x, same shape and type.
    """
    cosine, sine = turn.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat(
        [first * cosine - second * sine, second * cosine + first * sine], dim=-1
    )
