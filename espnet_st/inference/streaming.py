"""Encoding and decoding a signal while it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from espnet_st.codec.chunks import Flow, Tick
from espnet_st.codec.generator import Generator
from espnet_st.codes import check_codes, one_utterance
from espnet_st.data.audio import prepare_audio


class CodecStream:
    """One signal on its way through a causal codec; `AudioCoding.stream` makes it.

    Codes and samples are those of the whole signal, however it is cut.

    Args:
        generator: The codec.
        device: Where it is.

    Raises:
        ValueError: If the codec looks ahead.
    """

    def __init__(self, generator: Generator, device: str = "cpu"):
        for name in ("encoder", "decoder"):
            if not getattr(generator, name).streams:
                raise ValueError(
                    f"the {name} looks ahead and cannot stream: train with `causal: "
                    "true` in encoder_conf and decoder_conf, and `bidirectional: "
                    "false` in encoder_conf"
                )
        self._generator, self._device = generator, device
        self._encoder = _Line(generator.encode_ticks)
        self._decoder = _Line(generator.decode_ticks)

    @property
    def latency_samples(self) -> int:
        """Samples by which codes lag behind the signal, at most.

        A frame is encoded once its last sample has come, and decoded at once.
        """
        return self._generator.hop_length

    @property
    def latency(self) -> float:
        """The same in seconds."""
        return self.latency_samples / self._generator.sample_rate

    def encode(self, wav: np.ndarray | Tensor, last: bool = False) -> Tensor:
        """The codes that the next samples complete.

        Args:
            wav: (N,) at the model's rate; none are allowed if `last`.
            last: Whether the signal ends here; this completes the last frame.

        Returns:
            (n_q, T) int64; T is 0 while a frame is not complete.

        Raises:
            ValueError: If the samples are bad, or the signal has ended.
        """
        wav = torch.as_tensor(wav)
        if wav.dim() != 1:
            raise ValueError(f"a piece of shape {tuple(wav.shape)}; expected (N,)")
        if len(wav) or not last:
            rate = self._generator.sample_rate
            wav = prepare_audio(wav, rate, rate)
        return self._encoder.push(wav.float().to(self._device), last).cpu()

    def decode(self, codes: Tensor | np.ndarray, last: bool = False) -> Tensor:
        """The samples of the next frames.

        Args:
            codes: (k, T) of the first k layers, T from 0; always the same k.
            last: Whether the signal ends here.

        Returns:
            (T * hop_length,) float32.

        Raises:
            ValueError: If the codes are out of range, or the signal has ended.
        """
        codes = one_utterance(codes)
        check_codes(codes, self._generator.codebook_size)
        return self._decoder.push(codes.to(self._device), last).cpu()


class _Line:
    """A chain of layers into which one signal is pushed piece by piece."""

    def __init__(
        self, ticks: Callable[[Iterator[Tick], Sequence[Flow]], Iterator[Tick]]
    ):
        self._flow = Flow()
        self._piece: Tensor | None = None
        self._ticks = ticks(self._source(), [self._flow])

    def _source(self) -> Iterator[Tick]:
        while True:
            yield [self._piece]

    def push(self, piece: Tensor, last: bool) -> Tensor:
        if self._flow.last:
            raise ValueError("the signal has ended: start another stream")
        self._piece, self._flow.last = piece, last
        # A caller's autocast would change codes.
        off = torch.autocast(piece.device.type, enabled=False)
        with torch.inference_mode(), off:
            made = next(self._ticks)[0]
        return made.clone()  # outside of that mode: an ordinary tensor
