"""Where tokens stand in time: sine positions, rotary positions, the common axis.

Text and codes are two streams in one sequence, each with positions of its own.
Positions are real numbers, so that text tokens may be placed at the frames where
they are expected to sound (`TokenLengths`).
"""

import math

import torch
from torch import nn


class TokenLengths(nn.Module):
    """How long each text token sounds, in frames; places text on the frames' axis.

    Learnt from the lengths of whole utterances alone (`loss`), so no alignment is
    needed: a regression on the counts of the tokens. The last length is that of the
    silence around an utterance, half of it on each side.

    Args:
        vocab_size: Number of text tokens.
        frames_per_token: Mean length, where learning starts.
    """

    SPEED = 10.0
    """The logarithms move this much faster than the optimizer's steps."""

    def __init__(self, vocab_size: int, frames_per_token: float):
        super().__init__()
        self.frames_per_token = frames_per_token
        self.log_lengths = nn.Parameter(torch.zeros(vocab_size + 1))

    def frames(self) -> torch.Tensor:
        """Length of each token, and of the silence, in frames (V + 1,)."""
        return self.frames_per_token * torch.exp(self.SPEED * self.log_lengths)

    def each(self, text: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Length of every token of padded texts (B, S); 0 beyond their ends."""
        valid = torch.arange(text.shape[1], device=text.device) < lengths.unsqueeze(1)
        return self.frames()[text] * valid

    def total(self, text: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Expected frames of utterances (B,), at the corpus's mean pace."""
        return self.each(text, lengths).sum(dim=1) + self.frames()[-1]

    def loss(
        self, text: torch.Tensor, lengths: torch.Tensor, frames: torch.Tensor
    ) -> torch.Tensor:
        """Mean squared relative error of `total` against the true frames (B,)."""
        return (self.total(text, lengths) / frames - 1.0).square().mean()

    @torch.no_grad()
    def place(
        self, text: torch.Tensor, lengths: torch.Tensor, frames: torch.Tensor
    ) -> torch.Tensor:
        """Give each token's centre if utterances take this many frames.

        Args:
            text: Token ids (B, S), padded.
            lengths: Number of tokens (B,).
            frames: Frames of the utterances (B,), not necessarily whole.

        Returns:
            Positions (B, S), in frames.
        """
        each = self.each(text, lengths)
        centres = each.cumsum(dim=1) - each / 2 + self.frames()[-1] / 2
        return centres * (frames / self.total(text, lengths)).unsqueeze(1)


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
