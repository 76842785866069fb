"""The part of SpeechTokenizer that is used after training: wav to codes and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from espnet_st.codec.chunks import Flow, Tick, each, run
from espnet_st.codec.quantizer import ResidualVectorQuantizer
from espnet_st.codec.seanet import SEANetDecoder, SEANetEncoder
from espnet_st.codec.spectral import SpectralDecoder, SpectralEncoder
from espnet_st.config import build_part

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

    def encode(self, wav: Tensor) -> Tensor:
        """Codes (n_q, B, ceil(N / hop_length)) of waveforms (B, 1, N)."""
        return self.quantizer.encode(self.encoder(wav))

    def decode(self, codes: Tensor, start: int = 0) -> Tensor:
        """Waveforms (B, 1, T * hop_length) of codes; see `latent`."""
        return self.decoder(self.latent(codes, start))

    def latent(self, codes: Tensor, start: int = 0) -> Tensor:
        """What the decoder takes for codes of some layers.

        Args:
            codes: (k, B, T), of layers start, ..., start + k - 1.
            start: The first of these layers; 0 is the semantic one.

        Returns:
            (B, D, T).

        Raises:
            ValueError: If there are no such layers.
        """
        return self.quantizer.codes_to_vectors(codes, start).sum(0)

    def encode_ticks(
        self, ticks: Iterable[Tick], flows: Sequence[Flow]
    ) -> Iterator[Tick]:
        """Codes of signals that come in pieces; see `pieces.run`.

        Args:
            ticks: Pieces (N,) of waveforms.
            flows: One of each signal.

        Yields:
            Pieces of codes (n_q, T).
        """
        kind = next(self.encoder.parameters()).dtype
        waves = (each(lambda wav: wav[None, None].to(kind), tick) for tick in ticks)
        for tick in run(self.encoder.layers, waves, flows):
            yield each(lambda x: self.quantizer.encode(x.float())[:, 0], tick)

    def decode_ticks(
        self, ticks: Iterable[Tick], flows: Sequence[Flow], start: int = 0
    ) -> Iterator[Tick]:
        """Waveforms of codes that come in pieces; see `pieces.run`.

        Args:
            ticks: Pieces of codes (k, T).
            flows: One of each signal.
            start: See `latent`.

        Yields:
            Pieces of waveforms (N,).
        """
        kind = next(self.decoder.parameters()).dtype
        latents = (
            each(lambda codes: self.latent(codes[:, None], start).to(kind), tick)
            for tick in ticks
        )
        for tick in run(self.decoder.layers, latents, flows):
            yield each(lambda wav: wav[0, 0].float(), tick)

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """Decode one latent sequence (D, T) to a waveform (T * hop_length,)."""
        return self.decoder(vectors[None])[0, 0]

    def codebooks(self) -> Tensor:
        """All entries (n_q, codebook_size, D)."""
        return torch.stack([layer.entries for layer in self.quantizer.layers])
