"""WavLM-TDNN as an encoder of voices, through transformers, as in the paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from espnet_st.slmtokbench.scorers.base import Setting, load_local, register
from espnet_st.slmtokbench.scorers.speaker import SpeakerEncoder


@register
class WavLMEncoder(SpeakerEncoder):
    """Embed voices with a WavLM for speaker verification.

    Args:
        settings: `wavlm_model`: a directory or a hub name whose weights are already on
            this machine.

    Raises:
        NotScored: Transformers or the weights are missing.
    """

    name = "wavlm"
    measures = "voice"
    settings = (Setting("wavlm_model", "microsoft/wavlm-base-plus-sv"),)

    def __init__(self, settings: Mapping[str, Any]):
        self.extractor, self.model = load_local(
            settings["wavlm_model"], "Wav2Vec2FeatureExtractor", "WavLMForXVector"
        )
        self.model.eval()

    @torch.no_grad()
    def embed(self, wav: np.ndarray) -> np.ndarray:
        """Embed a voice (N,) at 16 kHz."""
        if not np.any(wav):
            raise ValueError("silent")
        inputs = self.extractor(
            wav, sampling_rate=self.sample_rate, return_tensors="pt"
        )
        embedding = self.model(**inputs).embeddings[0].numpy()
        return embedding / np.linalg.norm(embedding)
