"""X-Codec of `transformers`."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from espnet_st.slmtokbench.adapters.hugging_face import HuggingFaceAdapter


class XcodecAdapter(HuggingFaceAdapter):
    """X-Codec with the layers of its highest bandwidth."""

    name = "xcodec"
    describes = "a directory of transformers' XcodecModel"
    architecture = "XcodecModel"

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return int(self.config.sample_rate)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each layer's codebook."""
        bandwidth = max(self.config.target_bandwidths)
        layers = self.model.quantizer.get_num_quantizers_for_bandwidth(bandwidth)
        return (self.config.codebook_size,) * min(
            layers, len(self.model.quantizer.quantizers)
        )

    @property
    def codebooks(self) -> list[np.ndarray]:
        """Vectors (codebook_size, D) of each layer."""
        layers = self.model.quantizer.quantizers[: self.n_q]
        return [layer.codebook.embed.cpu().numpy() for layer in layers]

    def encode_one(self, wav: Tensor) -> Tensor:
        """Encode a waveform (1, 1, N) to codes (n_q, T)."""
        bandwidth = max(self.config.target_bandwidths)
        return self.model.encode(wav, bandwidth=bandwidth).audio_codes[0]

    def decode_one(self, codes: Tensor) -> Tensor:
        """Decode codes (1, k, T) to a waveform (1, 1, N)."""
        return self.model.decode(codes).audio_values
