"""What an encoder and a decoder have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from espnet_st.codec.chunks import Layer


class CodecPart(nn.Module, ABC):
    """An encoder, waveforms (B, 1, N) to latent frames (B, D, T), or a decoder, back.

    Attributes:
        hop_length: Samples per frame; T is ceil(N / hop_length), and a decoder gives
            T * hop_length samples.
        streams: Whether it never looks ahead.
        half_precision: Whether it can compute in bfloat16.
    """

    hop_length: int
    streams: bool
    half_precision: bool

    @property
    @abstractmethod
    def layers(self) -> Sequence[Layer]:
        """Give the layers that it consists of, for `chunks.run_layers`."""

    def forward(self, x: Tensor) -> Tensor:
        """Run whole signals through all layers."""
        for layer in self.layers:
            x = layer(x)
        return x
