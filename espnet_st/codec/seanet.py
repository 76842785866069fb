"""SEANet encoder and decoder, as in section 3.1 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import cast

from torch import Tensor, nn

from espnet_st.codec.chunks import Chunk, FrameLayer, Layer, StreamLayer, StreamState
from espnet_st.codec.layers import Conv1d, ConvTranspose1d, activation, pointwise_sum
from espnet_st.codec.lstm import ResidualLSTM
from espnet_st.codec.part import CodecPart


class ResidualBlock(nn.Module, StreamLayer):
    """Two convolutions of kernels (k, 1) beside a 1x1 convolution.

    Args:
        channels: Channels in and out; half of it inside.
        kernel_size: Taps of the first convolution.
        dilation: Its dilation.
        act: Name of the activation.
        causal: Whether the first convolution is causal.
    """

    def __init__(
        self, channels: int, kernel_size: int, dilation: int, act: str, causal: bool
    ):
        super().__init__()
        hidden = channels // 2
        self.act1 = activation(act, channels)
        self.conv1 = Conv1d(
            channels, hidden, kernel_size, dilation=dilation, causal=causal
        )
        self.act2 = activation(act, hidden, inplace=True)
        self.conv2 = Conv1d(hidden, channels, 1)
        self.shortcut = Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Turn whole signals (B, C, T) into (B, C, T)."""
        hidden = self.act2(self.conv1(self.act1(x)))
        return self.shortcut(x) + self.conv2(hidden)

    def step(self, chunk: Chunk, state: StreamState) -> Chunk:
        """Turn the next chunk into output; see `StreamLayer.step`."""
        return self.conv1.padding.step(chunk, state).map(self._of_padded)

    def _of_padded(self, padded: Tensor) -> Tensor:
        """Compute the output of a chunk that has the padding of `conv1`."""
        # Zeros and mirror images stay what they are in an activation.
        hidden = self.act2(self.conv1.convolve_padded(self.act1(padded)))
        middle = self.conv1.padding.middle(padded, hidden.shape[-1])
        return pointwise_sum(self.shortcut, middle, self.conv2, hidden)


def residual_blocks(
    count: int,
    dilation_base: int,
    channels: int,
    kernel_size: int,
    act: str,
    causal: bool,
) -> list[ResidualBlock]:
    """Make `count` blocks; block j, from 0, has the dilation `dilation_base ** j`."""
    return [
        ResidualBlock(channels, kernel_size, dilation_base**j, act, causal)
        for j in range(count)
    ]


class Activation(nn.Module, FrameLayer):
    """An activation between layers, which overwrites its input."""

    def __init__(self, name: str, channels: int):
        super().__init__()
        self.act = activation(name, channels, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to (B, C, T)."""
        return self.act(x)


class Stack(nn.Module):
    """Layers, one after the other; their names in checkpoints come from here."""

    def __init__(self, layers: Sequence[nn.Module]):
        super().__init__()
        self.layers = nn.ModuleList(layers)


class SEANetEncoder(CodecPart):
    """Encoder of waveforms into latent frames.

    Args:
        dimension: Channels of a latent frame, D.
        strides: Downsampling of each block, first block first; the paper's are
            (2, 4, 5, 8).
        n_filters: Channels after the first convolution; doubled at each stride.
        kernel_size: Taps of the first and last convolution.
        residual_kernel_size: Taps in the residual blocks.
        n_residual_layers: Residual blocks before each stride.
        dilation_base: Dilation of residual block j is dilation_base ** j.
        lstm_layers: LSTM layers; 0 for none.
        bidirectional: Whether the LSTM reads both ways.
        activation: `elu` or `snake`.
        causal: Whether no convolution looks ahead; with a one-way LSTM a frame then
            depends on no later sample than its own, and the encoder can stream.
    """

    half_precision = True

    def __init__(
        self,
        dimension: int,
        strides: Sequence[int] = (2, 4, 5, 8),
        n_filters: int = 32,
        kernel_size: int = 7,
        residual_kernel_size: int = 3,
        n_residual_layers: int = 1,
        dilation_base: int = 2,
        lstm_layers: int = 2,
        bidirectional: bool = True,
        activation: str = "elu",
        causal: bool = False,
    ):
        super().__init__()
        self.hop_length = prod(strides)
        self.streams = causal and not (bidirectional and lstm_layers)
        channels = n_filters
        layers: list[nn.Module] = [Conv1d(1, channels, kernel_size, causal=causal)]
        for stride in strides:
            layers += residual_blocks(
                n_residual_layers,
                dilation_base,
                channels,
                residual_kernel_size,
                activation,
                causal,
            )
            layers.append(Activation(activation, channels))
            layers.append(
                Conv1d(channels, 2 * channels, 2 * stride, stride, causal=causal)
            )
            channels *= 2
        if lstm_layers:
            layers.append(ResidualLSTM(channels, lstm_layers, bidirectional))
            channels *= 2 if bidirectional else 1
        layers.append(Activation(activation, channels))
        layers.append(Conv1d(channels, dimension, kernel_size, causal=causal))
        self.stack = Stack(layers)

    @property
    def layers(self) -> Sequence[Layer]:
        """Layers that it consists of; see `CodecPart`."""
        return cast(list[Layer], list(self.stack.layers))


class SEANetDecoder(CodecPart):
    """Decoder of latent frames into waveforms: the encoder's mirror image.

    Its LSTM reads one way.

    Args:
        dimension: Channels of a latent frame, D.
        strides: Upsampling of each block, in the encoder's order; applied backwards.
        n_filters: Channels before the last convolution.
        kernel_size: Taps of the first and last convolution.
        residual_kernel_size: Taps in the residual blocks.
        n_residual_layers: Residual blocks after each stride.
        dilation_base: Dilation of residual block j is dilation_base ** j.
        lstm_layers: LSTM layers; 0 for none.
        activation: `elu` or `snake`.
        causal: Whether no sample depends on a later frame than its own; the decoder
            can stream then.
    """

    half_precision = True

    def __init__(
        self,
        dimension: int,
        strides: Sequence[int] = (2, 4, 5, 8),
        n_filters: int = 32,
        kernel_size: int = 7,
        residual_kernel_size: int = 3,
        n_residual_layers: int = 1,
        dilation_base: int = 2,
        lstm_layers: int = 2,
        activation: str = "elu",
        causal: bool = False,
    ):
        super().__init__()
        self.hop_length = prod(strides)
        self.streams = causal
        channels = n_filters * 2 ** len(strides)
        layers: list[nn.Module] = [
            Conv1d(dimension, channels, kernel_size, causal=causal)
        ]
        if lstm_layers:
            layers.append(ResidualLSTM(channels, lstm_layers, bidirectional=False))
        for stride in reversed(strides):
            layers.append(Activation(activation, channels))
            layers.append(ConvTranspose1d(channels, channels // 2, stride, causal))
            channels //= 2
            layers += residual_blocks(
                n_residual_layers,
                dilation_base,
                channels,
                residual_kernel_size,
                activation,
                causal,
            )
        layers.append(Activation(activation, channels))
        layers.append(Conv1d(channels, 1, kernel_size, causal=causal))
        self.stack = Stack(layers)

    @property
    def layers(self) -> Sequence[Layer]:
        """Layers that it consists of; see `CodecPart`."""
        return cast(list[Layer], list(self.stack.layers))
