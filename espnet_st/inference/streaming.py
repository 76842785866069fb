"""Encode and decode a signal while it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from espnet_st.codec.abs_generator import AbsGenerator
from espnet_st.codec.chunks import Chunk, ChunkBatch, StreamState
from espnet_st.codec.generator import Generator
from espnet_st.codes import check_codes, one_utterance
from espnet_st.data.audio import prepare_audio


class CodecStream:
    """One signal on its way through a causal codec; `AudioCoding.stream` makes it.

    Codes and samples are those of the whole signal, whatever the chunks, up to
    rounding: of two entries that are equally near, a code may be the other one.

    Args:
        generator: The codec.
        device: Where it is.

    Raises:
        ValueError: If the codec looks ahead.
    """

    def __init__(self, generator: AbsGenerator, device: str = "cpu"):
        if not isinstance(generator, Generator):
            raise ValueError(
                "ESPnet's own codecs look at a whole signal and cannot stream: take a "
                "causal `speechtokenizer`"
            )
        for name in ("encoder", "decoder"):
            if not getattr(generator, name).streams:
                raise ValueError(
                    f"the {name} looks ahead and cannot stream: train with `causal: "
                    "true` in encoder_conf and decoder_conf, and `bidirectional: "
                    "false` in encoder_conf"
                )
        self._generator, self._device = generator, device
        self._encoder = _Signal()
        self._decoder = _Signal()

    @property
    def latency_samples(self) -> int:
        """Count the samples by which codes lag behind the signal, at most.

        A frame is encoded once its last sample has come, and decoded at once.
        """
        return self._generator.hop_length

    @property
    def latency(self) -> float:
        """Seconds by which codes lag behind the signal, at most."""
        return self.latency_samples / self._generator.sample_rate

    def encode(self, wav: np.ndarray | Tensor, is_last: bool = False) -> Tensor:
        """Encode the next samples into the codes that they complete.

        Args:
            wav: (N,) at the model's rate; it may be empty if `is_last`.
            is_last: Whether the signal ends here; this completes the last frame.

        Returns:
            (n_q, T) int64; T is 0 while a frame is not complete.

        Raises:
            ValueError: If the samples are bad, or the signal has ended.
        """
        wav = torch.as_tensor(wav)
        if wav.dim() != 1:
            raise ValueError(f"a chunk of shape {tuple(wav.shape)}; expected (N,)")
        if len(wav) or not is_last:
            rate = self._generator.sample_rate
            wav = prepare_audio(wav, rate, rate)
        chunk = Chunk(wav.float().to(self._device), is_last)
        return self._encoder.push(self._generator.encode_chunks, chunk).cpu()

    def decode(self, codes: Tensor | np.ndarray, is_last: bool = False) -> Tensor:
        """Decode the codes of the next frames.

        Args:
            codes: (k, T) of the first k layers, T from 0; always the same k.
            is_last: Whether the signal ends here.

        Returns:
            (T * hop_length,) float32.

        Raises:
            ValueError: If the codes are out of range, or the signal has ended.
        """
        codes = one_utterance(codes)
        check_codes(codes, self._generator.codebook_size)
        chunk = Chunk(codes.to(self._device), is_last)
        return self._decoder.push(self._generator.decode_chunks, chunk).cpu()


class _Signal:
    """How far one signal has got through a chain of layers."""

    def __init__(self) -> None:
        self._state = StreamState()
        self._ended = False

    def push(
        self,
        run: Callable[[ChunkBatch, Sequence[StreamState]], Iterator[ChunkBatch]],
        chunk: Chunk,
    ) -> Tensor:
        """Run the next chunk through the layers, and give what comes out.

        Raises:
            ValueError: If the signal has ended.
        """
        if self._ended:
            raise ValueError("the signal has ended: start another stream")
        self._ended = chunk.is_last
        # A caller's autocast would change codes.
        off = torch.autocast(chunk.values.device.type, enabled=False)
        with torch.inference_mode(), off:
            ((result,),) = run([chunk], [self._state])
        assert result is not None
        return result.values.clone()  # outside of that mode: an ordinary tensor
