"""SEANet encoder and decoder, as in section 3.1 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from espnet_st.codec.layers import (
    Conv1d,
    ConvTranspose1d,
    Lengths,
    ResidualLSTM,
    activation,
)


class ResidualBlock(nn.Module):
    """Two convolutions of kernels (k, 1) beside a 1x1 convolution.

    Args:
        channels: Channels in and out; half of it inside.
        kernel_size: Taps of the first convolution.
        dilation: Its dilation.
        act: Name of the activation.
    """

    def __init__(self, channels: int, kernel_size: int, dilation: int, act: str):
        super().__init__()
        hidden = channels // 2
        self.act1 = activation(act, channels)
        self.conv1 = Conv1d(channels, hidden, kernel_size, dilation=dilation)
        self.act2 = activation(act, hidden)
        self.conv2 = Conv1d(hidden, channels, 1)
        self.shortcut = Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, lengths: Lengths) -> tuple[Tensor, Lengths]:
        """(B, C, T) to (B, C, T)."""
        hidden, _ = self.conv1(self.act1(x), lengths)
        hidden, _ = self.conv2(self.act2(hidden), lengths)
        return self.shortcut(x, lengths)[0] + hidden, lengths


class Activation(nn.Module):
    """An activation among layers that carry lengths."""

    def __init__(self, name: str, channels: int):
        super().__init__()
        self.act = activation(name, channels)

    def forward(self, x: Tensor, lengths: Lengths) -> tuple[Tensor, Lengths]:
        """(B, C, T) to (B, C, T)."""
        return self.act(x), lengths


class Stack(nn.Module):
    """Layers that carry lengths, one after the other."""

    def __init__(self, layers: Sequence[nn.Module]):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, lengths: Lengths) -> tuple[Tensor, Lengths]:
        """Run all layers."""
        for layer in self.layers:
            x, lengths = layer(x, lengths)
        return x, lengths


class SEANetEncoder(nn.Module):
    """Waveform to latent frames.

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
    """

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
    ):
        super().__init__()
        self.hop_length = prod(strides)
        channels = n_filters
        layers: list[nn.Module] = [Conv1d(1, channels, kernel_size)]
        for stride in strides:
            for j in range(n_residual_layers):
                dilation = dilation_base**j
                layers.append(
                    ResidualBlock(channels, residual_kernel_size, dilation, activation)
                )
            layers.append(Activation(activation, channels))
            layers.append(Conv1d(channels, 2 * channels, 2 * stride, stride))
            channels *= 2
        if lstm_layers:
            layers.append(ResidualLSTM(channels, lstm_layers, bidirectional))
            channels *= 2 if bidirectional else 1
        layers.append(Activation(activation, channels))
        layers.append(Conv1d(channels, dimension, kernel_size))
        self.stack = Stack(layers)

    def forward(self, wav: Tensor, lengths: Lengths) -> Tensor:
        """Encode.

        Args:
            wav: (B, 1, N).
            lengths: Samples of each item (B,), or None when all have N.

        Returns:
            Latent frames (B, D, ceil(N / hop_length)).
        """
        return self.stack(wav, lengths)[0]


class SEANetDecoder(nn.Module):
    """Latent frames to waveform; mirrors the encoder, with a one-way LSTM.

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
    """

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
    ):
        super().__init__()
        self.hop_length = prod(strides)
        channels = n_filters * 2 ** len(strides)
        layers: list[nn.Module] = [Conv1d(dimension, channels, kernel_size)]
        if lstm_layers:
            layers.append(ResidualLSTM(channels, lstm_layers, bidirectional=False))
        for stride in reversed(strides):
            layers.append(Activation(activation, channels))
            layers.append(ConvTranspose1d(channels, channels // 2, 2 * stride, stride))
            channels //= 2
            for j in range(n_residual_layers):
                dilation = dilation_base**j
                layers.append(
                    ResidualBlock(channels, residual_kernel_size, dilation, activation)
                )
        layers.append(Activation(activation, channels))
        layers.append(Conv1d(channels, 1, kernel_size))
        self.stack = Stack(layers)

    def forward(self, latent: Tensor, lengths: Lengths) -> Tensor:
        """Decode.

        Args:
            latent: (B, D, T).
            lengths: Frames of each item (B,), or None when all have T.

        Returns:
            Waveform (B, 1, T * hop_length).
        """
        return self.stack(latent, lengths)[0]
