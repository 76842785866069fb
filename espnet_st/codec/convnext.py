"""ConvNeXt: a network over frames, of depthwise convolutions and bottlenecks."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from espnet_st.codec.chunks import Chunk, StreamLayer, StreamState
from espnet_st.codec.padding import Padding


class FrameConv(nn.Conv1d, StreamLayer):
    """A convolution over frames with zeros at the ends; T frames stay T.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps, an odd number.
        groups: Groups of channels that do not mix.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, groups: int = 1
    ):
        super().__init__(in_channels, out_channels, kernel_size, groups=groups)
        edge = kernel_size // 2
        self.around = Padding(kernel_size, 1, edge, edge, reflect=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve whole signals (B, in_channels, T) into (B, out_channels, T)."""
        return self.convolve_padded(self.around(x))

    def step(self, chunk: Chunk, state: StreamState) -> Chunk:
        """Convolve the next chunk; see `StreamLayer.step`."""
        return self.around.step(chunk, state).map(self.convolve_padded)

    def convolve_padded(self, x: Tensor) -> Tensor:
        """Convolve what has its padding."""
        if x.shape[-1] == 0:
            return x.new_zeros(x.shape[0], self.out_channels, 0)
        return super().forward(x)


class ConvNeXtBlock(nn.Module, StreamLayer):
    """Depthwise convolution, layer norm and a pointwise bottleneck, added to the input.

    Args:
        channels: Channels in and out.
        hidden: Width of the bottleneck.
        scale: Initial weight of the block's output.
    """

    def __init__(self, channels: int, hidden: int, scale: float):
        super().__init__()
        self.depthwise = FrameConv(channels, channels, 7, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, hidden)
        self.narrow = nn.Linear(hidden, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """Turn whole signals (B, C, T) into (B, C, T)."""
        return self._of_padded(self.depthwise.around(x))

    def step(self, chunk: Chunk, state: StreamState) -> Chunk:
        """Turn the next chunk into output; see `StreamLayer.step`."""
        return self.depthwise.around.step(chunk, state).map(self._of_padded)

    def _of_padded(self, padded: Tensor) -> Tensor:
        """Compute the output of what has the padding of the convolution."""
        hidden = self.depthwise.convolve_padded(padded).transpose(1, 2)  # (B, T, C)
        hidden = self.narrow(nn.functional.gelu(self.wide(self.norm(hidden))))
        middle = self.depthwise.around.middle(padded, hidden.shape[1])
        return middle + (self.scale * hidden).transpose(1, 2)


class ConvNeXt(nn.Module, StreamLayer):
    """A convolution into `channels`, layer norm, and ConvNeXt blocks.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.
        hidden: Width of the blocks' bottleneck.
        n_blocks: Blocks.
    """

    def __init__(self, in_channels: int, channels: int, hidden: int, n_blocks: int):
        super().__init__()
        self.embed = FrameConv(in_channels, channels, 7)
        self.norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, hidden, 1 / n_blocks) for _ in range(n_blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn whole signals (B, in_channels, T) into (B, channels, T)."""
        x = self._normalize(self.embed(x))
        for block in self.blocks:
            x = block(x)
        return x

    def step(self, chunk: Chunk, state: StreamState) -> Chunk:
        """Turn the next chunk into output; see `StreamLayer.step`."""
        chunk = self.embed.step(chunk, state).map(self._normalize)
        for block in self.blocks:
            chunk = cast(ConvNeXtBlock, block).step(chunk, state)
        return chunk

    def _normalize(self, x: Tensor) -> Tensor:
        """Normalize the channels of each frame (B, C, T)."""
        return self.norm(x.transpose(1, 2)).transpose(1, 2)
