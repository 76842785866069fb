"""What every codec that this package decodes with has: sizes, rates, runs by chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from espnet_st.codec.chunks import ChunkBatch, StreamState


class AbsGenerator(nn.Module, ABC):
    """The part of a codec that is used after training: wav to codes and back.

    `ragged` runs its chunks; `inference.AudioCoding` is what users see of it.

    Attributes:
        kind: What ESPnet's configuration calls the codec.
        encoder: Waveforms to latents.
        decoder: Latents to waveforms.
        sample_rate: Hz.
    """

    kind: str
    encoder: nn.Module
    decoder: nn.Module
    sample_rate: int

    @property
    @abstractmethod
    def hop_length(self) -> int:
        """Samples per frame."""

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    @property
    @abstractmethod
    def n_q(self) -> int:
        """Layers of codes."""

    @property
    @abstractmethod
    def codebook_size(self) -> int:
        """Entries of each codebook."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Channels of a latent frame, D."""

    @property
    @abstractmethod
    def streams(self) -> bool:
        """Whether it never looks ahead."""

    @abstractmethod
    def fold_weight_norm(self) -> None:
        """Replace normalised weights by their values, for inference."""

    @abstractmethod
    def encode_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Encode the next chunks of waveforms (N,) into chunks of codes (n_q, T)."""

    @abstractmethod
    def decode_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState], start: int = 0
    ) -> Iterator[ChunkBatch]:
        """Decode the next chunks of codes (k, T), of layers `start`, ..., into (N,)."""

    @abstractmethod
    def decode_latent_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Decode the next chunks of latents (D, T) into chunks of waveforms (N,)."""

    @abstractmethod
    def codes_to_vectors(self, codes: Tensor, start: int = 0) -> Tensor:
        """Look up the vectors (k, B, D, T) of codes (k, B, T), see `latent`.

        Raises:
            ValueError: If there are no such layers.
        """

    def latent(self, codes: Tensor, start: int = 0) -> Tensor:
        """Sum the entries that codes stand for, which is what the decoder takes.

        Args:
            codes: (k, B, T), of layers start, ..., start + k - 1.
            start: The first of these layers; 0 is the semantic one.

        Returns:
            (B, D, T).

        Raises:
            ValueError: If there are no such layers.
        """
        return self.codes_to_vectors(codes, start).sum(0)

    @abstractmethod
    def codebooks(self) -> Tensor:
        """Stack all entries: (n_q, codebook_size, D)."""
