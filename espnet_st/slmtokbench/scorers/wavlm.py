"""WavLM-TDNN as an encoder of voices, through transformers, as in the paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from espnet_st.slmtokbench.scorers.base import (
    DEVICE,
    Setting,
    find_device,
    load_local,
    register,
)
from espnet_st.slmtokbench.scorers.speaker import SpeakerEncoder


@register
class WavLMEncoder(SpeakerEncoder):
    """Embed voices with a WavLM for speaker verification.

    Args:
        settings: `wavlm_model`: a directory or a hub name whose weights are already on
            this machine; `scorer_device`.

    Raises:
        NotScored: Transformers, the weights or the device are missing.
    """

    name = "wavlm"
    measures = "voice"
    settings = (Setting("wavlm_model", "microsoft/wavlm-base-plus-sv"), DEVICE)

    def __init__(self, settings: Mapping[str, Any]):
        self.device = find_device(settings)
        self.extractor, self.model = load_local(
            "wavlm_model", settings, "Wav2Vec2FeatureExtractor", "WavLMForXVector"
        )
        self.model.float().eval().to(self.device)
        config = self.model.config
        kernels = zip(config.tdnn_kernel, config.tdnn_dilation)
        # One more than the frames that the layers take from both sides, and one more
        # again, for the standard deviation over frames.
        self.least_frames = 2 + sum((width - 1) * step for width, step in kernels)

    @torch.no_grad()
    def embed(self, wav: np.ndarray) -> np.ndarray:
        """Embed a voice (N,) at 16 kHz."""
        frames = int(self.model._get_feat_extract_output_lengths(len(wav)))
        if frames < self.least_frames:
            raise ValueError(
                f"{len(wav) / self.sample_rate:.2f} s give {frames} frames, and "
                f"WavLM-TDNN needs {self.least_frames}"
            )
        inputs = self.extractor(
            wav, sampling_rate=self.sample_rate, return_tensors="pt"
        ).to(self.device)
        return self.model(**inputs).embeddings[0].cpu().numpy()
