"""Mel distance: how far two spectrograms lie apart, by torchaudio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from espnet_st.slmtokbench.scorers.base import register
from espnet_st.slmtokbench.scorers.quality import ReferenceScorer

FLOOR = 1e-5


@register
class MelDistance(ReferenceScorer):
    """Score the mean absolute difference of log mel spectrograms, from 0.

    It is the mean over frames and bins of |ln M(x) - ln M(y)|, where M has 80 mel bins
    from 0 to 8 kHz (Slaney's scale, each filter of area 1) of magnitude spectra under
    Hann windows of 1024 samples every 256, at 16 kHz, and is floored at 1e-5. That is
    the mel spectrogram of HiFi-GAN's reconstruction loss (Kong et al., 2020, section
    2.4) at another sample rate. 0.1 are 0.87 dB.
    """

    name = "mel"
    title = "Mel distance ↓"
    measures = "L1 of 80 log mel bins against the original"

    def __init__(self, settings: Mapping[str, Any]):
        self.transform = MelSpectrogram(
            self.sample_rate,
            n_fft=1024,
            hop_length=256,
            f_max=8000.0,
            n_mels=80,
            power=1.0,
            norm="slaney",
            mel_scale="slaney",
        )

    def log_mel(self, wav: np.ndarray) -> Tensor:
        """Compute log mel bins (80, T) of a signal (N,)."""
        mel = self.transform(torch.from_numpy(np.ascontiguousarray(wav)))
        return mel.clamp_min(FLOOR).log()

    def compare(self, original: np.ndarray, degraded: np.ndarray) -> float:
        """Score two signals."""
        if len(original) <= self.transform.n_fft // 2:
            raise ValueError(
                f"{len(original)} samples are too few for a spectrogram, which takes "
                f"more than {self.transform.n_fft // 2}"
            )
        return float((self.log_mel(original) - self.log_mel(degraded)).abs().mean())
