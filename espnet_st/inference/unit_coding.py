"""UnitCoding: waveforms to units of a speech model, by k-means, without a vocoder.

A codec of units that speaks, too, is one of `AudioCoding`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from espnet_st.codec.codebook import nearest
from espnet_st.codec.teacher.teacher import build_teacher
from espnet_st.codec.teacher.units import read_units
from espnet_st.data.audio import prepare_audio


class UnitCoding:
    """A speech model and centroids over one of its layers (paper, section 2.2).

    Args:
        name: Of the speech model, as `teacher_conf.name` of a codec.
        units_file: Centroids (K, D) that `espnet_st.bin.teacher units` wrote, with
            their layer in a `.json` beside.
        device: Where to run.

    Raises:
        ValueError: If one of them is missing, or they do not fit one another.
    """

    def __init__(self, name: str, units_file: str | Path, device: str = "cpu"):
        self.centroids, layer = read_units(Path(units_file))
        self.teacher = build_teacher(name, layer).to(device)
        self.device = device
        width = self.teacher.output_size
        if self.centroids.shape[1] != width:
            raise ValueError(
                f"{units_file} has centroids of {self.centroids.shape[1]} dimensions, "
                f"layer {layer} of {name} has {width}: they are of another model"
            )

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.teacher.backbone.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.teacher.backbone.hop_length

    @torch.no_grad()
    def encode_batch(
        self, wavs: Sequence[np.ndarray | torch.Tensor], sample_rate: int | None = None
    ) -> list[torch.Tensor]:
        """Encode waveforms, one after the other.

        Args:
            wavs: Each (N_i,), or with a second axis of channels, which are averaged.
            sample_rate: Hz of all of them; the model's by default.

        Returns:
            For each units (1, T_i) int64.
        """
        rate = sample_rate or self.sample_rate
        codes = []
        for wav in wavs:
            ready = prepare_audio(wav, rate, self.sample_rate).to(self.device)
            features = self.teacher(ready[None])[0].float().cpu()
            codes.append(nearest(features, self.centroids)[None])
        return codes
