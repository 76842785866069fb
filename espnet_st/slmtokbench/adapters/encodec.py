"""EnCodec of `transformers`."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from espnet_st.slmtokbench.adapters.hugging_face import HuggingFaceAdapter


class EncodecAdapter(HuggingFaceAdapter):
    """EnCodec with the layers of its highest bandwidth, e.g. 32 at 24 kHz."""

    name = "encodec"
    describes = "a directory of transformers' EncodecModel"
    architecture = "EncodecModel"
    whole_frames = False

    def __init__(self, source: str, device: str = "cpu"):
        super().__init__(source, device)
        if self.config.normalize or self.config.chunk_length_s is not None:
            raise ValueError(
                f"{source} encodes overlapping chunks, each with its own level (as the "
                "48 kHz model does): its codes alone are no tokens of the speech; "
                "expected a model without normalize and chunk_length_s"
            )

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each layer's codebook."""
        bandwidth = max(self.config.target_bandwidths)
        layers = self.model.quantizer.get_num_quantizers_for_bandwidth(bandwidth)
        return (self.config.codebook_size,) * layers

    @property
    def codebooks(self) -> list[np.ndarray]:
        """Vectors (codebook_size, D) of each layer."""
        layers = self.model.quantizer.layers[: self.n_q]
        return [layer.codebook.embed.cpu().numpy() for layer in layers]

    def encode_one(self, wav: Tensor) -> Tensor:
        """Encode a waveform (1, 1, N) to codes (n_q, T)."""
        wav = wav.expand(1, self.config.audio_channels, -1)
        bandwidth = max(self.config.target_bandwidths)
        return self.model.encode(wav, bandwidth=bandwidth).audio_codes[0, 0]

    def decode_one(self, codes: Tensor) -> Tensor:
        """Decode codes (1, k, T) to a waveform (1, channels, N)."""
        return self.model.decode(codes[None], [None]).audio_values
