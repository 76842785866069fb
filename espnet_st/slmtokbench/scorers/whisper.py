"""Whisper as a recogniser, through transformers (paper, section 2.2)."""

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
from espnet_st.slmtokbench.scorers.recognizer import Recognizer


@register
class WhisperRecognizer(Recognizer):
    """Recognise with a Whisper model, greedily.

    Args:
        settings: `whisper_model`: a directory or a hub name whose weights are already
            on this machine; `scorer_device`.

    Raises:
        NotScored: Transformers, the weights or the device are missing.
    """

    name = "whisper"
    measures = "words ({whisper_model})"
    settings = (Setting("whisper_model", "openai/whisper-medium.en"), DEVICE)

    def __init__(self, settings: Mapping[str, Any]):
        self.device = find_device(settings)
        self.processor, self.model = load_local(
            "whisper_model",
            settings,
            "WhisperProcessor",
            "WhisperForConditionalGeneration",
        )
        self.model.float().eval().to(self.device)

    def normalize(self, text: str) -> str:
        """Apply Whisper's own normalization (numbers, spelling)."""
        return self.processor.tokenizer.normalize(text)

    @torch.no_grad()
    def recognize(self, wav: np.ndarray) -> str:
        """Recognise speech (N,) at 16 kHz, of any length.

        The model hears 30 s. Longer speech is heard whole, in windows each of which
        begins where the last one's final timestamp is (Radford et al., 2022, section
        3.8).
        """
        long = len(wav) > self.processor.feature_extractor.n_samples
        options = {"truncation": False, "padding": "longest"} if long else {}
        inputs = self.processor(
            wav,
            sampling_rate=self.sample_rate,
            return_tensors="pt",
            return_attention_mask=True,
            **options,
        ).to(self.device)
        ids = self.model.generate(**inputs, return_timestamps=long)
        text = self.processor.batch_decode(ids, skip_special_tokens=True)[0]
        return self.normalize(text)
