"""A codec at the frame rate: log-mel encoder and inverse-STFT decoder.

Everything runs at 50 frames per second instead of 16 kHz, which a CPU can train.
The decoder follows Vocos (Siuzdak 2023, arXiv:2306.00814): ConvNeXt blocks and a
head that gives magnitude and phase.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import fold
from torchaudio.functional import melscale_fbanks

from espnet_st.codec.chunks import Flow, Layer, Padding, Trim
from espnet_st.codec.lstm import ResidualLSTM
from espnet_st.codec.spectra import polar_spectrum


class FrameConv(nn.Conv1d):
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

    def forward(self, x: Tensor, flow: Flow | None = None) -> Tensor:
        """(B, in_channels, T) to (B, out_channels, T)."""
        return self.of_padded(self.around(x, flow))

    def of_padded(self, x: Tensor) -> Tensor:
        """Convolve what has its padding."""
        if x.shape[-1] == 0:
            return x.new_zeros(x.shape[0], self.out_channels, 0)
        return super().forward(x)


class ConvNeXtBlock(nn.Module):
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

    def forward(self, x: Tensor, flow: Flow | None = None) -> Tensor:
        """(B, C, T) to (B, C, T)."""
        padded = self.depthwise.around(x, flow)
        hidden = self.depthwise.of_padded(padded).transpose(1, 2)  # (B, T, C)
        hidden = self.narrow(nn.functional.gelu(self.wide(self.norm(hidden))))
        middle = self.depthwise.around.middle(padded, hidden.shape[1])
        return middle + (self.scale * hidden).transpose(1, 2)


class Backbone(nn.Module):
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

    def forward(self, x: Tensor, flow: Flow | None = None) -> Tensor:
        """(B, in_channels, T) to (B, channels, T)."""
        x = self.embed(x, flow)
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x, flow)
        return x


class SpectralEncoder(nn.Module):
    """Waveform to latent frames through a log-mel spectrogram; it looks ahead.

    Args:
        dimension: Channels of a latent frame, D.
        sample_rate: Hz.
        hop_length: Samples per frame.
        n_fft: Samples of the analysis window.
        n_mels: Mel bands.
        channels: Width of the network.
        hidden: Width of the blocks' bottleneck.
        n_blocks: ConvNeXt blocks.
        lstm_layers: Bidirectional LSTM layers; 0 for none.
    """

    streams = False

    def __init__(
        self,
        dimension: int,
        sample_rate: int,
        hop_length: int = 320,
        n_fft: int = 1280,
        n_mels: int = 100,
        channels: int = 256,
        hidden: int = 512,
        n_blocks: int = 4,
        lstm_layers: int = 1,
    ):
        super().__init__()
        self.hop_length = hop_length
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer(
            "filters",
            melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate),
            persistent=False,
        )
        self.backbone = Backbone(n_mels, channels, hidden, n_blocks)
        self.lstm = None
        if lstm_layers:
            self.reduce = FrameConv(channels, channels // 2, 1)
            self.lstm = ResidualLSTM(channels // 2, lstm_layers, bidirectional=True)
        self.project = FrameConv(channels, dimension, 1)
        edges = n_fft - hop_length
        left = edges // 2
        self.around = Padding(n_fft, hop_length, left, edges - left, reflect=False)

    @property
    def layers(self) -> list[Layer]:
        """What `pieces.run` takes."""
        if self.lstm is None:
            return [self.log_mel, self.backbone, self.project]
        return [self.log_mel, self.backbone, self.reduce, self.lstm, self.project]

    def log_mel(self, wav: Tensor, flow: Flow | None = None) -> Tensor:
        """Log-mel frames (B, n_mels, ceil(N / hop)) of a waveform (B, 1, N).

        Frame t is centred on the middle of samples [t * hop, (t + 1) * hop).
        """
        wav = self.around(wav, flow)[:, 0]
        if wav.shape[-1] == 0:
            return wav.new_zeros(wav.shape[0], self.filters.shape[1], 0)
        frames = wav.unfold(-1, self.n_fft, self.hop_length)
        magnitude = torch.fft.rfft(frames * self.window).abs()  # (B, T, F)
        return (magnitude @ self.filters).clamp_min(1e-3).log().transpose(1, 2)

    def forward(self, wav: Tensor, flow: Flow | None = None) -> Tensor:
        """Encode; arguments and result as `seanet.SEANetEncoder.forward`."""
        for layer in self.layers:
            wav = layer(wav, flow)
        return wav


class SpectralDecoder(nn.Module):
    """Latent frames to waveform through an inverse STFT.

    Args:
        dimension: Channels of a latent frame, D.
        hop_length: Samples per frame.
        n_fft: Samples of the synthesis window; a multiple of 2 * hop_length.
        channels: Width of the network.
        hidden: Width of the blocks' bottleneck.
        n_blocks: ConvNeXt blocks.
        lstm_layers: One-way LSTM layers before the blocks; 0 for none.
    """

    streams = False

    def __init__(
        self,
        dimension: int,
        hop_length: int = 320,
        n_fft: int = 1280,
        channels: int = 256,
        hidden: int = 768,
        n_blocks: int = 6,
        lstm_layers: int = 0,
    ):
        super().__init__()
        if n_fft % (2 * hop_length):
            raise ValueError(
                f"n_fft is {n_fft}; expected a multiple of 2 * hop_length "
                f"({2 * hop_length}), so that windows overlap evenly"
            )
        self.hop_length = hop_length
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.lstm = None
        if lstm_layers:
            self.lstm = ResidualLSTM(dimension, lstm_layers, bidirectional=False)
        self.backbone = Backbone(dimension, channels, hidden, n_blocks)
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, n_fft + 2)
        others = n_fft // hop_length - 1  # frames before that reach into a hop
        self.around = Padding(others + 1, 1, others, others, reflect=False)
        self.around_weight = Padding(others + 1, 1, others, others, reflect=False)

    @property
    def layers(self) -> list[Layer]:
        """What `pieces.run` takes."""
        before = [] if self.lstm is None else [self.lstm]
        return [*before, self.backbone, self.frames, self.overlap_add]

    def forward(self, latent: Tensor, flow: Flow | None = None) -> Tensor:
        """Decode; arguments and result as `seanet.SEANetDecoder.forward`."""
        for layer in self.layers:
            latent = layer(latent, flow)
        return latent

    def frames(self, hidden: Tensor, flow: Flow | None = None) -> Tensor:
        """Windowed frames (B, n_fft, T) of the backbone's output (B, channels, T)."""
        if hidden.shape[-1] == 0:
            return hidden.new_zeros(hidden.shape[0], self.n_fft, 0)
        hidden = self.norm(hidden.transpose(1, 2))
        log_magnitude, phase = self.head(hidden).float().chunk(2, dim=-1)
        spectrum = polar_spectrum(log_magnitude.clamp_max(6), phase)  # (B, T, F)
        return (torch.fft.irfft(spectrum) * self.window).transpose(1, 2)

    def overlap_add(self, frames: Tensor, flow: Flow | None = None) -> Tensor:
        """Windowed frames (B, n_fft, T) to a waveform (B, 1, T * hop_length).

        Divides by the sum of squared windows of the frames that the signal has.
        """
        weight = self.window.square()[:, None].expand(1, -1, frames.shape[-1])
        frames, weight = self.around(frames, flow), self.around_weight(weight, flow)
        if frames.shape[-1] == 0:
            return frames.new_zeros(len(frames), 1, 0)
        size = (frames.shape[-1] - 1) * self.hop_length + self.n_fft
        cut = self.n_fft - self.hop_length  # samples at the ends that lack frames

        def add(x: Tensor) -> Tensor:
            out = fold(x, (1, size), (1, self.n_fft), stride=(1, self.hop_length))
            return out[:, 0, :, cut : size - cut]

        wav = add(frames) / add(weight).clamp_min(1e-6)
        trim = Trim(cut // 2, cut - cut // 2)
        if flow is None:
            return trim(wav, last=True)
        return flow.state(self, lambda: trim)(wav, flow.last)
