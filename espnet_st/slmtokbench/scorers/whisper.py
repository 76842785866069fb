"""Whisper as a recogniser, through transformers (paper, section 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from espnet_st.slmtokbench.scorers.base import Setting, load_local, register
from espnet_st.slmtokbench.scorers.recognizer import Recognizer


@register
class WhisperRecognizer(Recognizer):
    """Recognise with a Whisper model.

    Args:
        settings: `whisper_model`: a directory or a hub name whose weights are already
            on this machine.

    Raises:
        NotScored: Transformers or the weights are missing.
    """

    name = "whisper"
    measures = "words ({whisper_model})"
    settings = (Setting("whisper_model", "openai/whisper-medium.en"),)

    def __init__(self, settings: Mapping[str, Any]):
        self.processor, self.model = load_local(
            settings["whisper_model"],
            "WhisperProcessor",
            "WhisperForConditionalGeneration",
        )
        self.model.eval()

    def normalize(self, text: str) -> str:
        """Apply Whisper's own normalization (numbers, spelling)."""
        return self.processor.tokenizer.normalize(text)

    @torch.no_grad()
    def recognize(self, wav: np.ndarray) -> str:
        """Recognise speech (N,) at 16 kHz, of which the first 30 s are heard."""
        features = self.processor(
            wav, sampling_rate=self.sample_rate, return_tensors="pt"
        ).input_features
        ids = self.model.generate(features)
        text = self.processor.batch_decode(ids, skip_special_tokens=True)[0]
        return self.normalize(text)
