"""Resemblyzer's GE2E encoder of voices; the package carries its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from espnet_st.slmtokbench.scorers.base import import_package, register
from espnet_st.slmtokbench.scorers.speaker import SpeakerEncoder


@register
class ResemblyzerEncoder(SpeakerEncoder):
    """Embed voices in 256 values.

    Raises:
        NotScored: The package is missing.
    """

    name = "resemblyzer"
    measures = "voice"

    def __init__(self, settings: Mapping[str, Any]):
        module = import_package("resemblyzer", "resemblyzer")
        self.encoder = module.VoiceEncoder("cpu", verbose=False)
        self.preprocess = module.preprocess_wav

    def embed(self, wav: np.ndarray) -> np.ndarray:
        """Embed a voice (N,) at 16 kHz."""
        voiced = self.preprocess(wav, source_sr=self.sample_rate)
        if len(voiced) == 0:
            raise ValueError("no voice was detected")
        return self.encoder.embed_utterance(voiced)
