"""The part of a unit codec that is used after training: wav to units and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from espnet_st.codec.abs_generator import AbsGenerator
from espnet_st.codec.chunks import ChunkBatch, StreamState, map_chunks, run_layers
from espnet_st.codec.codebook import nearest
from espnet_st.codec.layers import fold_weight_norm
from espnet_st.codec.part import CodecPart
from espnet_st.codec.registry import DECODERS
from espnet_st.codec.teacher_encoder import TeacherEncoder
from espnet_st.config import build_part


class UnitGenerator(AbsGenerator):
    """A frozen teacher, the centroids of its units, and a unit vocoder.

    Units are not de-duplicated: there is one for each frame, so that no durations are
    to be predicted.

    Args:
        sample_rate: Hz.
        dimension: Width of the teacher's features, D.
        semantic_dimension: Number of units, K.
        embedding_dimension: Channels of what the decoder takes, E.
        decoder: One of `registry.DECODERS`.
        decoder_conf: Options of the decoder.
        teacher_conf: See `teacher_encoder.TeacherEncoder`.
    """

    kind = "hubert_units"
    encoder: TeacherEncoder
    decoder: CodecPart
    centroids: Tensor

    def __init__(
        self,
        sample_rate: int = 16000,
        dimension: int = 768,
        semantic_dimension: int = 500,
        embedding_dimension: int = 128,
        decoder: str = "hifigan",
        decoder_conf: Mapping[str, Any] | None = None,
        teacher_conf: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.sample_rate = sample_rate
        sizes = {"dimension": embedding_dimension, "sample_rate": sample_rate}
        self.decoder = build_part("decoder", DECODERS, decoder, decoder_conf, sizes)
        self.encoder = TeacherEncoder(
            dimension, sample_rate, self.decoder.hop_length, teacher_conf or {}
        )
        self.register_buffer("centroids", torch.zeros(semantic_dimension, dimension))
        self.embedding = nn.Embedding(semantic_dimension, embedding_dimension)

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.decoder.hop_length

    @property
    def n_q(self) -> int:
        """Layers of codes: one."""
        return 1

    @property
    def codebook_size(self) -> int:
        """Number of units."""
        return len(self.centroids)

    @property
    def dimension(self) -> int:
        """Width of the centroids, D."""
        return self.centroids.shape[1]

    @property
    def streams(self) -> bool:
        """Whether it never looks ahead: the teacher does."""
        return False

    def fold_weight_norm(self) -> None:
        """Replace normalised weights by their values, for inference."""
        fold_weight_norm(self)

    def set_units(self, centroids: Tensor, layer: str | int) -> None:
        """Set the centroids (K, D), and the layer of the teacher that they are of.

        Raises:
            ValueError: If there are more or fewer, or of another width.
        """
        if centroids.shape != self.centroids.shape:
            raise ValueError(
                f"there are {centroids.shape[0]} units of {centroids.shape[1]} "
                f"dimensions: set semantic_dimension, which is {self.codebook_size}, "
                f"and dimension, which is {self.dimension}, to that"
            )
        self.centroids.copy_(centroids)
        self.encoder.set_layer(layer)

    def units(self, features: Tensor) -> Tensor:
        """Find the units (B, T) of features (B, D, T): the nearest centroids."""
        rows = features.transpose(1, 2)
        return nearest(rows.flatten(0, 1), self.centroids).view(rows.shape[:2])

    def encode(self, wav: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Encode waveforms (B, 1, N) into codes (1, B, T).

        Args:
            wav: Signals.
            lengths: Samples of each (B,), or None when all have N.
        """
        return self.units(self.encoder.features(wav, lengths))[None]

    def decode(self, codes: Tensor, start: int = 0) -> Tensor:
        """Decode codes (1, B, T) into waveforms (B, 1, T * hop_length)."""
        return self.decoder(self.embed(codes, start))

    def embed(self, codes: Tensor, start: int = 0) -> Tensor:
        """Look up what the decoder takes (B, E, T) for codes (1, B, T).

        Raises:
            ValueError: If these are not codes of the only layer.
        """
        self._check_layer(codes, start)
        return self.embedding(codes[0]).transpose(1, 2)

    def encode_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Encode the signals (N,) that end with these chunks into codes (1, T)."""
        wavs = map_chunks(lambda wav: wav[None, None].float(), batch)
        for features in run_layers(self.encoder.layers, wavs, states):
            yield map_chunks(self.units, features)

    def decode_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState], start: int = 0
    ) -> Iterator[ChunkBatch]:
        """Decode the next chunks of codes (1, T) into chunks of waveforms (N,)."""
        inputs = map_chunks(lambda codes: self.embed(codes[:, None], start), batch)
        for wavs in run_layers(self.decoder.layers, inputs, states):
            yield map_chunks(lambda wav: wav[0, 0].float(), wavs)

    def decode_latent_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Decode the next chunks of features (D, T), by the nearest units."""
        codes = map_chunks(lambda x: self.units(x[None].float()), batch)
        yield from self.decode_chunks(codes, states)

    def codes_to_vectors(self, codes: Tensor, start: int = 0) -> Tensor:
        """Look up the centroids (1, B, D, T) of codes (1, B, T).

        Raises:
            ValueError: If these are not codes of the only layer.
        """
        self._check_layer(codes, start)
        return embedding(codes, self.centroids).transpose(2, 3)

    def codebooks(self) -> Tensor:
        """Give all centroids: (1, K, D)."""
        return self.centroids[None]

    def _check_layer(self, codes: Tensor, start: int) -> None:
        if start != 0 or len(codes) != 1:
            raise ValueError(
                f"{len(codes)} layers from layer {start} on; units have layer 0 alone"
            )
