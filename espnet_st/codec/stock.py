"""ESPnet's own codecs, with what a `Generator` of this package has.

Nothing of them is computed otherwise than ESPnet does. They look at a whole signal, so
chunks are kept until it ends, and signals run one by one: an utterance has the codes
that it has alone, whatever the batch.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import remove_weight_norm

from espnet_st.codec.abs_generator import AbsGenerator
from espnet_st.codec.chunks import Chunk, ChunkBatch, StreamState, map_chunks


class StockKind(NamedTuple):
    """Says where a codec of ESPnet is.

    Attributes:
        module: In `espnet2.gan_codec`.
        codec: The class whose arguments are a `codec_conf`.
        generator: The class whose arguments are its `generator_params`, in `parts`.
        parts: The module of `generator`.
    """

    module: str
    codec: str
    generator: str
    parts: str


STOCK_CODECS = {
    "soundstream": StockKind(
        "soundstream.soundstream",
        "SoundStream",
        "SoundStreamGenerator",
        "soundstream.soundstream",
    ),
    # EnCodec differs in its discriminator and losses.
    "encodec": StockKind(
        "encodec.encodec", "Encodec", "SoundStreamGenerator", "soundstream.soundstream"
    ),
    "dac": StockKind("dac.dac", "DAC", "DACGenerator", "dac.dac"),
}
"""ESPnet's codecs by the names that its task has for them.

Its `funcodec` is none of them: it codes a spectrogram, whose frames do not tell how
many samples they stand for.
"""


class StockGenerator(AbsGenerator):
    """The generator of one of ESPnet's own codecs.

    `n_q` counts the layers that ESPnet's `encode` gives, those of the last of its
    target bandwidths; if the quantizer has more, they were never trained.

    Args:
        codec: One of `STOCK_CODECS`.
        codec_conf: The block of its options in ESPnet's `config.yaml`.

    Raises:
        ValueError: If ESPnet's class does not take these options.
    """

    def __init__(self, codec: str, codec_conf: Mapping[str, Any]):
        super().__init__()
        self.kind = codec
        kind = STOCK_CODECS[codec]
        defaults = inspect.signature(_find(kind.module, kind.codec)).parameters
        unknown = sorted(set(codec_conf) - set(defaults))
        if unknown:
            raise ValueError(f"codec_conf: {codec} has no option {unknown[0]!r}")
        conf = {name: defaults[name].default for name in defaults} | dict(codec_conf)
        # A copy: ESPnet's classes write into their own defaults.
        params = dict(conf["generator_params"]) | {"sample_rate": conf["sampling_rate"]}
        known = inspect.signature(_find(kind.parts, kind.generator)).parameters
        unknown = sorted(set(params) - set(known))
        if unknown:
            raise ValueError(f"generator_params: {codec} has no option {unknown[0]!r}")
        generator = _find(kind.parts, kind.generator)(**params)
        # Under the same names, as a checkpoint has them.
        self.encoder = generator.encoder
        self.quantizer = generator.quantizer
        self.decoder = generator.decoder
        self.sample_rate = int(generator.sample_rate)
        self._hop_length = int(generator.encoder.hop_length)
        self._n_q = min(
            generator.quantizer.n_q,
            generator.quantizer.get_num_quantizers_for_bandwidth(
                generator.frame_rate, generator.target_bandwidths[-1]
            ),
        )

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self._hop_length

    @property
    def n_q(self) -> int:
        """Layers of codes."""
        return self._n_q

    @property
    def codebook_size(self) -> int:
        """Entries of each codebook."""
        return self.quantizer.bins

    @property
    def dimension(self) -> int:
        """Channels of a latent frame, D."""
        return self.quantizer.dimension

    @property
    def streams(self) -> bool:
        """Whether it never looks ahead; here a signal is taken as a whole."""
        return False

    @torch.no_grad()
    def fold_weight_norm(self) -> None:
        """Replace normalised weights by their values, for inference."""
        for module in self.modules():
            if hasattr(module, "weight_g"):
                remove_weight_norm(module)

    def encode_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Encode the signals (N,) that end with this chunk into codes (n_q, T)."""
        yield self._whole(self._encode, batch, states)

    def decode_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState], start: int = 0
    ) -> Iterator[ChunkBatch]:
        """Decode the codes (k, T) that end with this chunk into signals (N,)."""
        latents = map_chunks(lambda codes: self.latent(codes[:, None], start)[0], batch)
        yield from self.decode_latent_chunks(latents, states)

    def decode_latent_chunks(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Decode the latents (D, T) that end with this chunk into signals (N,)."""
        yield self._whole(
            lambda latent: self.decoder(latent[None])[0, 0], batch, states
        )

    def codes_to_vectors(self, codes: Tensor, start: int = 0) -> Tensor:
        """Look up the vectors (k, B, D, T) of codes (k, B, T), see `latent`.

        Raises:
            ValueError: If there are no such layers.
        """
        if start < 0 or not 0 < len(codes) <= self.n_q - start:
            raise ValueError(
                f"{len(codes)} layers from layer {start} on; expected layers of 0 to "
                f"{self.n_q - 1}"
            )
        layers = self.quantizer.vq.layers[start:]
        return torch.stack([layer.decode(one) for layer, one in zip(layers, codes)])

    def latent(self, codes: Tensor, start: int = 0) -> Tensor:
        """Sum the vectors of codes layer by layer, as ESPnet does, to the last bit."""
        return functools.reduce(torch.add, self.codes_to_vectors(codes, start))

    def codebooks(self) -> Tensor:
        """Stack all entries: (n_q, codebook_size, D)."""
        every = torch.arange(self.codebook_size, device=next(self.parameters()).device)
        codes = every.expand(self.n_q, 1, -1)
        return self.codes_to_vectors(codes)[:, 0].transpose(1, 2).contiguous()

    def _encode(self, wav: Tensor) -> Tensor:
        codes = self.quantizer.vq.encode(self.encoder(wav[None, None]), n_q=self.n_q)
        assert codes.shape[-1] == math.ceil(len(wav) / self.hop_length)
        return codes[:, 0]

    def _whole(
        self,
        run: Callable[[Tensor], Tensor],
        batch: ChunkBatch,
        states: Sequence[StreamState],
    ) -> ChunkBatch:
        """Keep chunks, and run each signal that ends as a whole."""

        def step(chunk: Chunk | None, state: StreamState) -> Chunk | None:
            if chunk is None:
                return None
            kept: list[Tensor] = state.get(self, list)
            kept.append(chunk.values)
            return Chunk(run(torch.cat(kept, -1)), True) if chunk.is_last else None

        return list(map(step, batch, states))


def _find(module: str, name: str) -> type[nn.Module]:
    """Import a class of ESPnet's codecs, which takes a second."""
    return getattr(importlib.import_module(f"espnet2.gan_codec.{module}"), name)
