"""Mimi of `transformers`."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from espnet_st.slmtokbench.adapters.hugging_face import HuggingFaceAdapter


class MimiAdapter(HuggingFaceAdapter):
    """Kyutai's codec: semantic layers, then a residual quantizer beside them."""

    name = "mimi"
    describes = "a directory of transformers' MimiModel"
    architecture = "MimiModel"

    @property
    def hop_length(self) -> int:
        """Samples per frame, e.g. 1920 for 12.5 frames per second."""
        return round(self.sample_rate / self.config.frame_rate)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each layer's codebook."""
        return (self.config.codebook_size,) * self.config.num_quantizers

    @property
    def codebooks(self) -> list[np.ndarray]:
        """Vectors (codebook_size, D) of each layer, at the width where they add up."""
        quantizer = self.model.quantizer
        tables = []
        for part in (
            quantizer.semantic_residual_vector_quantizer,
            quantizer.acoustic_residual_vector_quantizer,
        ):
            for layer in part.layers:
                table = layer.codebook.embed
                if part.output_proj is not None:
                    table = part.output_proj(table.t()[None])[0].t()
                tables.append(table.cpu().numpy())
        return tables

    def encode_one(self, wav: Tensor) -> Tensor:
        """Encode a waveform (1, 1, N) to codes (n_q, T)."""
        return self.model.encode(wav, num_quantizers=self.n_q).audio_codes[0]

    def decode_one(self, codes: Tensor) -> Tensor:
        """Decode codes (1, k, T) to a waveform (1, 1, N)."""
        return self.model.decode(codes).audio_values
