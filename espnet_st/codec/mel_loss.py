"""Spectral losses: the paper's and the released code's distance of mel spectrograms."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, pad
from torchaudio.functional import melscale_fbanks

from espnet_st.codec.spectra import stft_magnitude


class MelLoss(nn.Module):
    """L1 and L2 distance of mel spectrograms at several scales: the paper's L_f.

    Args:
        sample_rate: Hz.
        n_mels: Mel bands.
        exponents: Windows are 2^i samples, hops a quarter of them.
        log: Whether to compare log spectrograms; the paper's formula compares them as
            they are.
    """

    def __init__(
        self,
        sample_rate: int,
        n_mels: int = 64,
        exponents: Sequence[int] = (5, 6, 7, 8, 9, 10, 11),
        log: bool = False,
    ):
        super().__init__()
        self.sizes = [2**exponent for exponent in exponents]
        self.log = log
        for size in self.sizes:
            # A short window has fewer bins than bands: use no more bands than bins.
            bands = min(n_mels, size // 8)
            filters = melscale_fbanks(
                size // 2 + 1, 0.0, sample_rate / 2, bands, sample_rate
            )
            self.register_buffer(f"filters{size}", filters, persistent=False)
            self.register_buffer(
                f"window{size}", torch.hann_window(size), persistent=False
            )

    def spectrogram(self, wav: Tensor, size: int) -> Tensor:
        """Compute mel spectrograms (B, T, bands), normalised STFT, of (B, 1, N)."""
        window = getattr(self, f"window{size}")
        window = window / window.square().sum().sqrt()
        magnitude = stft_magnitude(wav[:, 0].float(), window, size // 4)
        mel = magnitude @ getattr(self, f"filters{size}")
        return mel.clamp_min(1e-4).log10() if self.log else mel

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Average over scales; waveforms (B, 1, N), N at least the longest window.

        The L2 norm is over the bands of a frame, divided by the root of their number.
        """
        loss = torch.zeros((), device=fake.device)
        with torch.autocast(fake.device.type, enabled=False):
            for size in self.sizes:
                difference = self.spectrogram(real, size) - self.spectrogram(fake, size)
                # The small constant keeps the root's gradient finite at zero.
                norm = (difference.square().mean(-1) + 1e-12).sqrt()
                loss = loss + difference.abs().mean() + norm.mean()
        return loss / len(self.sizes)


class LogMelLoss(nn.Module):
    """L1 distance of log-mel spectrograms at several resolutions: the released L_f.

    As `mel_loss` of the official `speechtokenizer/trainer/loss.py`, with the values of
    its `config/spt_base_cfg.json` as defaults.

    Args:
        sample_rate: Hz.
        n_mels: Mel bands, on the HTK scale with Slaney's normalisation.
        sizes: Samples of the windows.
        hops: Samples from one window to the next, for each size.
        weights: Of each size.
    """

    def __init__(
        self,
        sample_rate: int,
        n_mels: int = 80,
        sizes: Sequence[int] = (1024, 512, 256, 128),
        hops: Sequence[int] = (240, 120, 60, 30),
        weights: Sequence[float] = (45.0, 1.0, 1.0, 1.0),
    ):
        super().__init__()
        if not len(sizes) == len(hops) == len(weights):
            raise ValueError(
                f"mel_loss_conf has {len(sizes)} sizes, {len(hops)} hops and "
                f"{len(weights)} weights; expected as many of each"
            )
        self.resolutions = list(zip(sizes, hops, weights))
        for size in sizes:
            bins = size // 2 + 1
            with warnings.catch_warnings():
                # 80 bands over 65 bins: some are empty, in the released code too.
                warnings.simplefilter("ignore", UserWarning)
                filters = melscale_fbanks(
                    bins, 0.0, sample_rate / 2, n_mels, sample_rate, norm="slaney"
                )
            self.register_buffer(f"filters{size}", filters, persistent=False)
            self.register_buffer(
                f"window{size}", torch.hann_window(size), persistent=False
            )

    def spectrogram(self, wav: Tensor, size: int, hop: int) -> Tensor:
        """Compute log-mel spectrograms (B, T, n_mels) of waveforms (B, 1, N)."""
        edge = (size - hop) // 2
        padded = pad(wav.float(), (edge, edge), "reflect")[:, 0]
        magnitude = stft_magnitude(padded, getattr(self, f"window{size}"), hop)
        mel = (magnitude + 1e-9) @ getattr(self, f"filters{size}")
        return mel.clamp_min(1e-5).log()

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Sum over sizes, weighted; waveforms (B, 1, N), N above half a window."""
        with torch.autocast(fake.device.type, enabled=False):
            losses = [
                weight
                * l1_loss(
                    self.spectrogram(fake, size, hop), self.spectrogram(real, size, hop)
                )
                for size, hop, weight in self.resolutions
            ]
        return torch.stack(losses).sum()
