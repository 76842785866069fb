"""A codec at the frame rate: log-mel encoder and inverse-STFT decoder.

Everything runs at 50 frames per second instead of 16 kHz, which a CPU can train.
The decoder follows Vocos (Siuzdak 2023, arXiv:2306.00814): ConvNeXt blocks and a
head that gives magnitude and phase.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import fold, pad
from torchaudio.functional import melscale_fbanks

from espnet_st.codec.layers import Lengths, ResidualLSTM, frames_of, mask_of, masked


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, layer norm and a pointwise bottleneck, added to the input.

    Args:
        channels: Channels in and out.
        hidden: Width of the bottleneck.
        scale: Initial weight of the block's output.
    """

    def __init__(self, channels: int, hidden: int, scale: float):
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, hidden)
        self.narrow = nn.Linear(hidden, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor, lengths: Lengths) -> Tensor:
        """(B, C, T) to (B, C, T)."""
        hidden = self.depthwise(masked(x, lengths)).transpose(1, 2)  # (B, T, C)
        hidden = self.narrow(nn.functional.gelu(self.wide(self.norm(hidden))))
        return x + (self.scale * hidden).transpose(1, 2)


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
        self.embed = nn.Conv1d(in_channels, channels, 7, padding=3)
        self.norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, hidden, 1 / n_blocks) for _ in range(n_blocks)
        )

    def forward(self, x: Tensor, lengths: Lengths) -> Tensor:
        """(B, in_channels, T) to (B, channels, T)."""
        x = self.embed(masked(x, lengths))
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x, lengths)
        return x


class SpectralEncoder(nn.Module):
    """Waveform to latent frames through a log-mel spectrogram.

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
            self.reduce = nn.Conv1d(channels, channels // 2, 1)
            self.lstm = ResidualLSTM(channels // 2, lstm_layers, bidirectional=True)
        self.project = nn.Conv1d(channels, dimension, 1)

    def log_mel(self, wav: Tensor) -> Tensor:
        """Log-mel frames (B, n_mels, ceil(N / hop)) of a waveform (B, 1, N).

        Frame t is centred on the middle of samples [t * hop, (t + 1) * hop).
        """
        n_frames = frames_of(wav.shape[-1], self.hop_length)
        edge = (self.n_fft - self.hop_length) // 2
        end = (n_frames - 1) * self.hop_length + self.n_fft - edge - wav.shape[-1]
        frames = pad(wav[:, 0], (edge, end)).unfold(-1, self.n_fft, self.hop_length)
        magnitude = torch.fft.rfft(frames * self.window).abs()  # (B, T, F)
        return (magnitude @ self.filters).clamp_min(1e-3).log().transpose(1, 2)

    def forward(self, wav: Tensor, lengths: Lengths) -> Tensor:
        """Encode; arguments and result as `seanet.SEANetEncoder.forward`."""
        if lengths is not None:
            wav = masked(wav, lengths)
            lengths = -(-lengths // self.hop_length)
        x = self.backbone(self.log_mel(wav), lengths)
        if self.lstm is not None:
            x, _ = self.lstm(self.reduce(x), lengths)
        return self.project(x)


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

    def forward(self, latent: Tensor, lengths: Lengths) -> Tensor:
        """Decode; arguments and result as `seanet.SEANetDecoder.forward`."""
        if self.lstm is not None:
            latent, _ = self.lstm(latent, lengths)
        hidden = self.norm(self.backbone(latent, lengths).transpose(1, 2))
        log_magnitude, phase = self.head(hidden).float().chunk(2, dim=-1)
        spectrum = torch.polar(log_magnitude.clamp_max(6).exp(), phase)  # (B, T, F)
        frames = torch.fft.irfft(spectrum) * self.window
        return self.overlap_add(frames, lengths)

    def overlap_add(self, frames: Tensor, lengths: Lengths) -> Tensor:
        """Windowed frames (B, T, n_fft) to a waveform (B, 1, T * hop_length).

        Divides by the sum of squared windows of the frames that each item has.
        """
        n_frames = frames.shape[1]
        weight = self.window.square().expand(1, n_frames, -1)
        if lengths is not None:
            mask = mask_of(lengths, n_frames).transpose(1, 2)
            frames, weight = frames * mask, weight * mask
        edge = (self.n_fft - self.hop_length) // 2
        size = (n_frames - 1) * self.hop_length + self.n_fft

        def add(x: Tensor) -> Tensor:
            x = x.transpose(1, 2)  # (B, n_fft, T)
            out = fold(x, (1, size), (1, self.n_fft), stride=(1, self.hop_length))
            return out[:, 0, :, edge : size - edge]

        return add(frames) / add(weight).clamp_min(1e-6)
