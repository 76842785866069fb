"""A codec at the frame rate: log-mel encoder and inverse-STFT decoder.

The networks run once per frame instead of once per sample, which a CPU can train.
The decoder follows Vocos (Siuzdak 2023, arXiv:2306.00814): ConvNeXt blocks and a
head that gives magnitude and phase.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import fold
from torchaudio.functional import melscale_fbanks

from espnet_st.codec.chunks import Chunk, FrameLayer, Layer, StreamLayer, StreamState
from espnet_st.codec.convnext import ConvNeXt, FrameConv
from espnet_st.codec.lstm import ResidualLSTM
from espnet_st.codec.padding import Padding, Trim
from espnet_st.codec.part import CodecPart
from espnet_st.codec.spectra import polar_spectrum


class LogMel(nn.Module, StreamLayer):
    """Log-mel spectrogram, a frame for each `hop_length` samples.

    Frame t is centred on the middle of samples [t * hop, (t + 1) * hop).

    Args:
        sample_rate: Hz.
        hop_length: Samples per frame.
        n_fft: Samples of the analysis window.
        n_mels: Mel bands.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, sample_rate: int, hop_length: int, n_fft: int, n_mels: int):
        super().__init__()
        self.hop_length = hop_length
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        with torch.device("cpu"):  # they cannot be computed on the meta device
            filters = melscale_fbanks(
                n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate
            )
        self.register_buffer("filters", filters, persistent=False)
        edges = n_fft - hop_length
        left = edges // 2
        self.around = Padding(n_fft, hop_length, left, edges - left, reflect=False)

    def forward(self, wav: Tensor) -> Tensor:
        """Analyse waveforms (B, 1, N) into (B, n_mels, ceil(N / hop_length))."""
        return self._of_padded(self.around(wav))

    def step(self, chunk: Chunk, state: StreamState) -> Chunk:
        """Analyse the next chunk; see `StreamLayer.step`."""
        return self.around.step(chunk, state).map(self._of_padded)

    def _of_padded(self, wav: Tensor) -> Tensor:
        """Analyse what has its padding, (B, 1, n)."""
        wav = wav[:, 0]
        if wav.shape[-1] == 0:
            return wav.new_zeros(wav.shape[0], self.filters.shape[1], 0)
        frames = wav.unfold(-1, self.n_fft, self.hop_length)
        magnitude = torch.fft.rfft(frames * self.window).abs()  # (B, T, F)
        return (magnitude @ self.filters).clamp_min(1e-3).log().transpose(1, 2)


class OverlapAdd(nn.Module, StreamLayer):
    """Sum of windowed frames, divided by the sum of their squared windows.

    Args:
        hop_length: Samples per frame.
        n_fft: Samples of the window; a multiple of 2 * hop_length.
    """

    window: Tensor

    def __init__(self, hop_length: int, n_fft: int):
        super().__init__()
        self.hop_length = hop_length
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        others = n_fft // hop_length - 1  # frames before that reach into a hop
        self.around = Padding(others + 1, 1, others, others, reflect=False)
        self.around_weight = Padding(others + 1, 1, others, others, reflect=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Add frames (B, n_fft, T) up to waveforms (B, 1, T * hop_length)."""
        weight = self._weight(frames)
        wav = self._add_padded(self.around(frames), self.around_weight(weight))
        return self._trim().step(Chunk(wav, is_last=True)).values

    def step(self, chunk: Chunk, state: StreamState) -> Chunk:
        """Add the next frames; see `StreamLayer.step`."""
        weight = self.around_weight.step(chunk.map(self._weight), state).values
        padded = self.around.step(chunk, state)
        trim = state.get(self, self._trim)
        if padded.values.shape[-1] == 0:
            return padded.map(lambda x: x.new_zeros(len(x), 1, 0))
        return trim.step(padded.map(lambda x: self._add_padded(x, weight)))

    def _weight(self, frames: Tensor) -> Tensor:
        """Square the window of each frame of (B, n_fft, T): (1, n_fft, T)."""
        return self.window.square()[:, None].expand(1, -1, frames.shape[-1])

    def _trim(self) -> Trim:
        """Make what takes off the samples at the ends, where frames are missing."""
        missing = self.n_fft - self.hop_length
        return Trim(missing // 2, missing - missing // 2)

    def _add_padded(self, frames: Tensor, weight: Tensor) -> Tensor:
        """Add up frames that have their padding, and leave out samples at the ends."""
        size = (frames.shape[-1] - 1) * self.hop_length + self.n_fft
        cut = self.n_fft - self.hop_length  # samples at the ends that lack frames

        def add(x: Tensor) -> Tensor:
            out = fold(x, (1, size), (1, self.n_fft), stride=(1, self.hop_length))
            return out[:, 0, :, cut : size - cut]

        return add(frames) / add(weight).clamp_min(1e-6)


class FrameFunction(FrameLayer):
    """A function of frames, as a layer.

    Args:
        function: Turns frames (B, C, T) into as many frames.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]):
        self.function = function

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the function to frames (B, C, T)."""
        return self.function(x)


class SpectralEncoder(CodecPart):
    """Encoder of waveforms through a log-mel spectrogram; it looks ahead.

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
    half_precision = False

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
        self.log_mel = LogMel(sample_rate, hop_length, n_fft, n_mels)
        self.backbone = ConvNeXt(n_mels, channels, hidden, n_blocks)
        self.lstm = None
        if lstm_layers:
            self.reduce = FrameConv(channels, channels // 2, 1)
            self.lstm = ResidualLSTM(channels // 2, lstm_layers, bidirectional=True)
        self.project = FrameConv(channels, dimension, 1)

    @property
    def layers(self) -> list[Layer]:
        """Layers that it consists of; see `CodecPart`."""
        if self.lstm is None:
            return [self.log_mel, self.backbone, self.project]
        return [self.log_mel, self.backbone, self.reduce, self.lstm, self.project]


class SpectralDecoder(CodecPart):
    """Decoder of latent frames through an inverse STFT.

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
    half_precision = False
    window: Tensor

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
        self.backbone = ConvNeXt(dimension, channels, hidden, n_blocks)
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, n_fft + 2)
        self.overlap_add = OverlapAdd(hop_length, n_fft)

    @property
    def layers(self) -> list[Layer]:
        """Layers that it consists of; see `CodecPart`."""
        before: list[Layer] = [] if self.lstm is None else [self.lstm]
        frames = FrameFunction(self.make_frames)
        return [*before, self.backbone, frames, self.overlap_add]

    def make_frames(self, hidden: Tensor) -> Tensor:
        """Turn the backbone's output (B, channels, T) into windowed frames.

        Returns:
            (B, n_fft, T).
        """
        if hidden.shape[-1] == 0:
            return hidden.new_zeros(hidden.shape[0], self.n_fft, 0)
        hidden = self.norm(hidden.transpose(1, 2))
        log_magnitude, phase = self.head(hidden).float().chunk(2, dim=-1)
        spectrum = polar_spectrum(log_magnitude.clamp_max(6), phase)  # (B, T, F)
        return (torch.fft.irfft(spectrum) * self.window).transpose(1, 2)
