"""Codecs that `AudioCoding` loads.

Ours (an experiment, an archive, the Hugging Face form), the official SpeechTokenizer,
ESPnet's EnCodec, SoundStream and DAC, and HuBERT units with a vocoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.slmtokbench.adapters.base import Adapter
from espnet_st.slmtokbench.adapters.hugging_face import model_type


class CodecAdapter(Adapter):
    """A codec of `AudioCoding`."""

    name = "codec"
    describes = "an experiment directory, archive or official release of a codec"

    def __init__(self, source: str, device: str = "cpu"):
        super().__init__(source, device)
        self.codec = AudioCoding.from_pretrained(source, device)

    @classmethod
    def recognizes(cls, source: Path) -> bool:
        """Tell whether it has a `config.yaml`, is an archive, or is of our types."""
        if source.is_dir():
            if any(source.glob("**/config.yaml")):
                return True
            config = source / "config.json"
            return config.is_file() and model_type(source) in (None, "speechtokenizer")
        return source.suffix == ".zip" or not source.suffix and not source.exists()

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.codec.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.codec.hop_length

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each layer's codebook."""
        return (self.codec.codebook_size,) * self.codec.n_q

    @property
    def codebooks(self) -> list[np.ndarray]:
        """Vectors (codebook_size, D) of each layer."""
        return list(self.codec.codebooks.numpy())

    def encode(
        self, wavs: Sequence[np.ndarray | Tensor], sample_rate: int | None = None
    ) -> list[Tensor]:
        """Encode waveforms, see `AudioCoding.encode_batch`."""
        return self.codec.encode_batch(wavs, sample_rate)

    def decode(self, codes: Sequence[np.ndarray | Tensor]) -> list[Tensor]:
        """Decode codes of the first layers, see `AudioCoding.decode_batch`."""
        return self.codec.decode_batch(codes)
