"""The part of SpeechTokenizer that is used after training: wav to codes and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from espnet_st.codec.build import build_part
from espnet_st.codec.layers import masked
from espnet_st.codec.quantizer import ResidualVectorQuantizer
from espnet_st.codec.seanet import SEANetDecoder, SEANetEncoder
from espnet_st.codec.spectral import SpectralDecoder, SpectralEncoder

ENCODERS = {"seanet": SEANetEncoder, "spectral": SpectralEncoder}
DECODERS = {"seanet": SEANetDecoder, "spectral": SpectralDecoder}


class Generator(nn.Module):
    """Encoder, quantizer, decoder and the distillation projection A.

    Args:
        sample_rate: Hz.
        dimension: Channels of a latent frame, D.
        semantic_dimension: Width of the teacher's features (or number of its units).
        encoder: `seanet` or `spectral`.
        encoder_conf: Options of the encoder.
        decoder: `seanet` or `spectral`.
        decoder_conf: Options of the decoder.
        quantizer_conf: Options of `ResidualVectorQuantizer`.
    """

    def __init__(
        self,
        sample_rate: int,
        dimension: int,
        semantic_dimension: int,
        encoder: str = "seanet",
        encoder_conf: Mapping[str, Any] | None = None,
        decoder: str = "seanet",
        decoder_conf: Mapping[str, Any] | None = None,
        quantizer_conf: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.sample_rate = sample_rate
        rate = {"sample_rate": sample_rate} if encoder == "spectral" else {}
        self.encoder = build_part(
            "encoder", ENCODERS, encoder, encoder_conf, dimension=dimension, **rate
        )
        self.decoder = build_part(
            "decoder", DECODERS, decoder, decoder_conf, dimension=dimension
        )
        if self.encoder.hop_length != self.decoder.hop_length:
            raise ValueError(
                f"the encoder makes a frame of {self.encoder.hop_length} samples, the "
                f"decoder {self.decoder.hop_length} samples of a frame; make them equal"
            )
        self.quantizer = build_part(
            "quantizer",
            {"rvq": ResidualVectorQuantizer},
            "rvq",
            quantizer_conf,
            dimension=dimension,
        )
        self.projection = nn.Linear(dimension, semantic_dimension)

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.encoder.hop_length

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    @property
    def n_q(self) -> int:
        """Layers of codes."""
        return self.quantizer.n_q

    @property
    def codebook_size(self) -> int:
        """Entries of each codebook."""
        return self.quantizer.codebook_size

    def encode(self, wav: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms to codes.

        Args:
            wav: (B, 1, N).
            lengths: Samples of each item (B,), or None when all have N. What lies
                beyond an item's end does not change its codes.

        Returns:
            Codes (n_q, B, ceil(N / hop_length)); beyond an item's own
            ceil(length / hop_length) frames they mean nothing.
        """
        return self.quantizer.encode(self.encoder(wav, lengths))

    def decode(
        self, codes: Tensor, lengths: Tensor | None = None, start: int = 0
    ) -> Tensor:
        """Codes of some layers to waveforms.

        Args:
            codes: (k, B, T), of layers start, ..., start + k - 1.
            lengths: Frames of each item (B,), or None when all have T.
            start: The first of these layers; 0 is the semantic one.

        Returns:
            (B, 1, T * hop_length).

        Raises:
            ValueError: If there are no such layers.
        """
        latent = self.quantizer.codes_to_vectors(codes, start).sum(0)
        return self.decoder(masked(latent, lengths), lengths)

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """Decode one latent sequence (D, T) to a waveform (T * hop_length,)."""
        return self.decoder(vectors[None], None)[0, 0]

    def codebooks(self) -> Tensor:
        """All entries (n_q, codebook_size, D)."""
        return torch.stack([layer.entries for layer in self.quantizer.layers])
