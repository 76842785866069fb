"""DAC of `transformers`."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from espnet_st.slmtokbench.adapters.hugging_face import HuggingFaceAdapter


class DacAdapter(HuggingFaceAdapter):
    """Descript's codec."""

    name = "dac"
    describes = "a directory of transformers' DacModel"
    architecture = "DacModel"

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each layer's codebook."""
        return (self.config.codebook_size,) * self.config.n_codebooks

    @property
    def codebooks(self) -> list[np.ndarray]:
        """Vectors (codebook_size, D) of each layer, at the width where they add up."""
        return [
            layer.out_proj(layer.codebook.weight.t()[None])[0].t().cpu().numpy()
            for layer in self.model.quantizer.quantizers
        ]

    def encode_one(self, wav: Tensor) -> Tensor:
        """Encode a waveform (1, 1, N) to codes (n_q, T)."""
        return self.model.encode(wav).audio_codes[0]

    def decode_one(self, codes: Tensor) -> Tensor:
        """Decode codes (1, k, T) to a waveform (1, N)."""
        return self.model.decode(audio_codes=codes).audio_values
