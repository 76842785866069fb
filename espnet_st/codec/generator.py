"""The part of SpeechTokenizer that is used after training: wav to codes and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from espnet_st.codec.abs_generator import AbsGenerator
from espnet_st.codec.chunks import ChunkBatch, StreamState, map_chunks, run_layers
from espnet_st.codec.layers import fold_weight_norm
from espnet_st.codec.part import CodecPart
from espnet_st.codec.quantizer import ResidualVectorQuantizer
from espnet_st.codec.registry import DECODERS, ENCODERS
from espnet_st.config import build_part, call_with_conf


class Generator(AbsGenerator):
    """Encoder, quantizer, decoder and the distillation projection A.

    Args:
        sample_rate: Hz.
        dimension: Channels of a latent frame, D.
        semantic_dimension: Width of the teacher's features (or number of its units).
        encoder: One of `registry.ENCODERS`.
        encoder_conf: Options of the encoder.
        decoder: One of `registry.DECODERS`.
        decoder_conf: Options of the decoder.
        quantizer_conf: Options of `ResidualVectorQuantizer`.
    """

    kind = "speechtokenizer"
    encoder: CodecPart
    decoder: CodecPart

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
        sizes = {"dimension": dimension, "sample_rate": sample_rate}
        self.encoder = build_part("encoder", ENCODERS, encoder, encoder_conf, sizes)
        self.decoder = build_part("decoder", DECODERS, decoder, decoder_conf, sizes)
        if self.encoder.hop_length != self.decoder.hop_length:
            raise ValueError(
                f"the encoder makes a frame of {self.encoder.hop_length} samples, the "
                f"decoder {self.decoder.hop_length} samples of a frame; make them equal"
            )
        self.quantizer = call_with_conf(
            "quantizer", ResidualVectorQuantizer, quantizer_conf, sizes
        )
        self.projection = nn.Linear(dimension, semantic_dimension)

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.encoder.hop_length

    @property
    def n_q(self) -> int:
        """Layers of codes."""
        return self.quantizer.n_q

    @property
    def codebook_size(self) -> int:
        """Entries of each codebook."""
        return self.quantizer.codebook_size

    @property
    def dimension(self) -> int:
        """Channels of a latent frame, D."""
        return self.quantizer.layers[0].entries.shape[-1]

    @property
    def streams(self) -> bool:
        """Whether it never looks ahead."""
        return self.encoder.streams and self.decoder.streams

    def fold_weight_norm(self) -> None:
        """Replace normalised weights by their values, for inference."""
        fold_weight_norm(self)

    def codes_to_vectors(self, codes: Tensor, start: int = 0) -> Tensor:
        """Look up the vectors (k, B, D, T) of codes (k, B, T), see `latent`.

        Raises:
            ValueError: If there are no such layers.
        """
        return self.quantizer.codes_to_vectors(codes, start)

    def encode(self, wav: Tensor) -> Tensor:
        """Encode waveforms (B, 1, N) into codes (n_q, B, ceil(N / hop_length))."""
        return self.quantizer.encode(self.encoder(wav))

    def decode(self, codes: Tensor, start: int = 0) -> Tensor:
        """Decode codes into waveforms (B, 1, T * hop_length); see `latent`."""
        return self.decoder(self.latent(codes, start))

    def encode_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Encode the next chunks of some signals.

        Args:
            batch: Waveforms (N,).
            states: Of the signals.

        Yields:
            Chunks of codes (n_q, T).
        """
        dtype = next(self.encoder.parameters()).dtype
        wavs = map_chunks(lambda wav: wav[None, None].to(dtype), batch)
        for latents in run_layers(self.encoder.layers, wavs, states):
            yield map_chunks(lambda x: self.quantizer.encode(x.float())[:, 0], latents)

    def decode_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState], start: int = 0
    ) -> Iterator[ChunkBatch]:
        """Decode the next chunks of some signals' codes.

        Args:
            batch: Codes (k, T).
            states: Of the signals.
            start: See `latent`.

        Yields:
            Chunks of waveforms (N,).
        """
        latents = map_chunks(lambda codes: self.latent(codes[:, None], start)[0], batch)
        yield from self.decode_latent_chunks(latents, states)

    def decode_latent_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Decode the next chunks of what the decoder takes.

        Args:
            batch: Latents (D, T).
            states: Of the signals.

        Yields:
            Chunks of waveforms (N,).
        """
        dtype = next(self.decoder.parameters()).dtype
        latents = map_chunks(lambda x: x[None].to(dtype), batch)
        for wavs in run_layers(self.decoder.layers, latents, states):
            yield map_chunks(lambda wav: wav[0, 0].float(), wavs)

    def codebooks(self) -> Tensor:
        """Stack all entries: (n_q, codebook_size, D)."""
        return torch.stack([layer.entries for layer in self.quantizer.layers])
