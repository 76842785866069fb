"""Layers that know how long each item of a batch is.

Every layer takes `(x (B, C, T), lengths (B,) or None)` and returns the same pair, so
that an item of a padded batch gets what it gets alone. `None` means that all items
are as long as the tensor, which is the fast path of training.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.parametrizations import weight_norm

Lengths = Tensor | None


def mask_of(lengths: Tensor, size: int) -> Tensor:
    """Booleans (B, 1, size): True where an item has not ended."""
    return (torch.arange(size, device=lengths.device) < lengths[:, None])[:, None]


def masked(x: Tensor, lengths: Lengths) -> Tensor:
    """`x` (B, C, T) with zeros where an item has ended."""
    return x if lengths is None else x * mask_of(lengths, x.shape[-1])


def reflect_pad(x: Tensor, left: int, right: Tensor, lengths: Tensor) -> Tensor:
    """Pad each item by reflection at its own end.

    An item shorter than its padding is first continued with zeros, as EnCodec does
    (`encodec/modules/conv.py`).

    Args:
        x: (B, C, T).
        left: Samples before the start.
        right: Samples after each item's end (B,).
        lengths: (B,).

    Returns:
        (B, C, left + max(lengths + right)).
    """
    size = int((lengths + right).max())
    position = torch.arange(-left, size, device=x.device).abs()[
        None
    ]  # (1, left + size)
    length = lengths[:, None]
    mirror = torch.maximum(
        length, torch.maximum(right, lengths * 0 + left)[:, None] + 1
    )
    source = torch.where(position < mirror, position, 2 * (mirror - 1) - position)
    valid = (source >= 0) & (source < length)
    index = (source * valid)[:, None].expand(-1, x.shape[1], -1)
    return x.gather(2, index) * valid[:, None]


class Conv1d(nn.Module):
    """Weight-normalised convolution with padding: T frames become ceil(T / stride).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps.
        stride: Frames per output frame.
        dilation: Distance between taps.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
    ):
        super().__init__()
        self.conv = weight_norm(
            nn.Conv1d(in_channels, out_channels, kernel_size, stride, dilation=dilation)
        )
        self.stride = stride
        total = (kernel_size - 1) * dilation - (stride - 1)
        self.right = total // 2
        self.left = total - self.right

    def forward(self, x: Tensor, lengths: Lengths) -> tuple[Tensor, Lengths]:
        """Convolve (B, C, T); see the module for `lengths`."""
        if lengths is None and x.shape[-1] > self.left + self.right + self.stride:
            extra = -x.shape[-1] % self.stride
            return self.conv(pad(x, (self.left, self.right + extra), "reflect")), None
        ragged = lengths
        if lengths is None:
            lengths = x.new_full((x.shape[0],), x.shape[-1], dtype=torch.long)
        right = self.right + (-lengths) % self.stride
        out = self.conv(reflect_pad(x, self.left, right, lengths))
        return out, None if ragged is None else -(-lengths // self.stride)


class ConvTranspose1d(nn.Module):
    """Weight-normalised transposed convolution: T frames become T * stride.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps.
        stride: Output frames per input frame.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int
    ):
        super().__init__()
        self.conv = weight_norm(
            nn.ConvTranspose1d(in_channels, out_channels, kernel_size, stride)
        )
        self.stride = stride
        self.right = (kernel_size - stride) // 2
        self.left = kernel_size - stride - self.right

    def forward(self, x: Tensor, lengths: Lengths) -> tuple[Tensor, Lengths]:
        """Upsample (B, C, T); see the module for `lengths`."""
        out = self.conv(masked(x, lengths))
        out = out[..., self.left : out.shape[-1] - self.right]
        return out, None if lengths is None else lengths * self.stride


class ResidualLSTM(nn.Module):
    """LSTM over time whose input is added to its output.

    A bidirectional one doubles the channels, and so repeats the input.

    Args:
        channels: Width of input and of each direction.
        layers: Stacked layers.
        bidirectional: Whether to read both ways.
    """

    def __init__(self, channels: int, layers: int, bidirectional: bool):
        super().__init__()
        self.lstm = nn.LSTM(
            channels, channels, layers, batch_first=True, bidirectional=bidirectional
        )
        self.directions = 2 if bidirectional else 1

    def forward(self, x: Tensor, lengths: Lengths) -> tuple[Tensor, Lengths]:
        """(B, C, T) to (B, directions * C, T); see the module for `lengths`."""
        frames = x.transpose(1, 2)  # (B, T, C)
        if lengths is None:
            hidden, _ = self.lstm(frames)
        else:
            packed = nn.utils.rnn.pack_padded_sequence(
                frames, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            hidden, _ = nn.utils.rnn.pad_packed_sequence(
                self.lstm(packed)[0], batch_first=True, total_length=x.shape[-1]
            )
        return hidden.transpose(1, 2) + x.repeat(1, self.directions, 1), lengths


class Snake(nn.Module):
    """x + sin(alpha x)^2 / alpha with a learnt alpha per channel (Ziyin et al. 2020).

    Args:
        channels: Channels of the input.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Apply to (B, C, T)."""
        return x + torch.sin(self.alpha * x).square() / (self.alpha + 1e-9)


def activation(name: str, channels: int) -> nn.Module:
    """The activation called `elu` or `snake`.

    Raises:
        ValueError: If the name is neither.
    """
    if name == "elu":
        return nn.ELU()
    if name == "snake":
        return Snake(channels)
    raise ValueError(f"activation {name!r} is unknown; choose 'elu' or 'snake'")


def frames_of(samples: int, hop_length: int) -> int:
    """Frames of a signal: ceil(samples / hop_length)."""
    return math.ceil(samples / hop_length)
