"""X-Codec2 of `transformers`."""

from __future__ import annotations

import math

from torch import Tensor

from espnet_st.slmtokbench.adapters.hugging_face import HuggingFaceAdapter


class Xcodec2Adapter(HuggingFaceAdapter):
    """X-Codec2: one layer of 65 536 codes, the corners of a grid; it has no table."""

    name = "xcodec2"
    describes = "a directory of transformers' Xcodec2Model"
    architecture = "Xcodec2Model"

    def __init__(self, source: str, device: str = "cpu"):
        super().__init__(source, device)
        from transformers import Xcodec2FeatureExtractor

        self._features = Xcodec2FeatureExtractor(
            feature_size=self.config.semantic_model_config.feature_projection_input_dim
            // 2,
            sampling_rate=self.sample_rate,
            hop_length=self.hop_length,
        )

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of the one codebook."""
        return (math.prod(self.config.quantization_levels),)

    def encode_one(self, wav: Tensor) -> Tensor:
        """Encode a waveform (1, 1, N) to codes (1, T)."""
        inputs = self._features(
            wav[0, 0].cpu().numpy(), sampling_rate=self.sample_rate, return_tensors="pt"
        ).to(self.device)
        codes = self.model.encode(
            input_values=inputs["input_values"],
            input_features=inputs["input_features"],
        ).audio_codes
        return codes[0, :, : wav.shape[-1] // self.hop_length]

    def decode_one(self, codes: Tensor) -> Tensor:
        """Decode codes (1, 1, T) to a waveform (1, 1, N)."""
        return self.model.decode(codes).audio_values
