"""The losses of section 3.3, as functions of tensors, but for L_distill.

That is in `distillation.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torchaudio.functional import melscale_fbanks

Judgements = list[list[Tensor]]
"""For each discriminator its layers' outputs, the logits last."""


def time_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean absolute difference of two waveforms: L_t."""
    return (real - fake).abs().mean()


class MelLoss(nn.Module):
    """L1 and L2 distance of mel spectrograms at several scales: L_f.

    Args:
        sample_rate: Hz.
        n_mels: Mel bands.
        exponents: Windows are 2^i samples, hops a quarter of them.
        log: Whether to compare log spectrograms, as the released code does; the
            paper's formula compares them as they are.
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
        """Mel spectrogram (B, T, bands) of waveforms (B, 1, N), normalised STFT."""
        window = getattr(self, f"window{size}")
        frames = wav[:, 0].float().unfold(-1, size, size // 4)
        spectrum = torch.fft.rfft(frames * window) / window.square().sum().sqrt()
        mel = spectrum.abs() @ getattr(self, f"filters{size}")
        return mel.clamp_min(1e-4).log10() if self.log else mel

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Mean over scales; waveforms (B, 1, N), N at least the longest window.

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


def discriminator_loss(real: Judgements, fake: Judgements) -> Tensor:
    """Hinge loss of the discriminators, averaged over them: L_D."""
    losses = [
        relu(1 - r[-1]).mean() + relu(1 + f[-1]).mean() for r, f in zip(real, fake)
    ]
    return torch.stack(losses).mean()


def adversarial_loss(fake: Judgements) -> Tensor:
    """Hinge loss of the generator, averaged over discriminators: L_g."""
    return torch.stack([relu(1 - f[-1]).mean() for f in fake]).mean()


def feature_matching_loss(real: Judgements, fake: Judgements) -> Tensor:
    """Distance of the discriminators' features, relative to the real ones: L_feat."""
    losses = [
        (r - f).abs().mean() / r.abs().mean().clamp_min(1e-6)
        for reals, fakes in zip(real, fake)
        for r, f in zip(reals[:-1], fakes[:-1])
    ]
    return torch.stack(losses).mean()
