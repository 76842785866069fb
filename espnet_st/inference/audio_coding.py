"""AudioCoding: waveforms to codes and back; as a command, codes to wav files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_st.checkpoints.loading import GENERATOR, load_codec, load_strictly
from espnet_st.codec.chunks import (
    ChunkBatch,
    StreamState,
    join_chunks,
    split_signals,
)
from espnet_st.codec.generator import Generator
from espnet_st.codec.layers import fold_weight_norm
from espnet_st.codes import check_codes, one_utterance
from espnet_st.data.audio import prepare_audio
from espnet_st.inference.streaming import CodecStream
from espnet_st.kernels.processor import usable_dtype

DTYPES = ("float32", "bfloat16", "auto")
"""What a codec can be asked to compute in."""
CHUNK_FRAMES = 100
"""Frames of a signal that are in work at once; bounds the memory."""
MAX_SIGNALS = 128
"""Signals that run together."""
MAX_FRAMES = 30000
"""Frames that they have together, about, unless one has more."""


class AudioCoding:
    """A trained codec.

    Args:
        train_config: The `config.yaml` of the training run, or what `from_pretrained`
            takes.
        model_file: Its checkpoint; by default the best one beside the config.
        device: Where to run.
        dtype: `float32`, or `bfloat16`, which is faster and gives other codes here and
            there: encoder and decoder are in half precision then, except the
            quantizer and the LSTM's states. A CPU without instructions for it computes
            in float32, with a warning; `auto` does so without one.

    Raises:
        ValueError: If a file is missing or does not fit.
    """

    def __init__(
        self,
        train_config: str | Path,
        model_file: str | Path | None = None,
        device: str = "cpu",
        dtype: str = "float32",
    ):
        conf, state = load_codec(train_config, model_file)
        self.generator = Generator(**conf)
        load_strictly(self.generator, state, GENERATOR)
        fold_weight_norm(self.generator)
        self.generator.eval().requires_grad_(False).to(device)
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(DTYPES)}")
        parts = self.generator.encoder, self.generator.decoder
        for part in parts:
            if not part.half_precision:
                if dtype == "bfloat16":
                    raise ValueError(f"{type(part).__name__} runs in float32 only")
                dtype = "float32"
        for part in parts:
            part.to(getattr(torch, usable_dtype(dtype, device)))
        self.device = device

    @classmethod
    def from_pretrained(
        cls, source: str | Path, device: str = "cpu", dtype: str = "float32"
    ) -> AudioCoding:
        """Load the codec of an experiment directory, or of another source.

        Args:
            source: Also the directory of an official release, an archive made by
                ESPnet's `pack`, a name in ESPnet's model zoo, or an archive's URL.
            device: Where to run.
            dtype: See the class.

        Raises:
            ValueError: If it is none of these.
        """
        return cls(source, device=device, dtype=dtype)

    def to(self, device: str | torch.device) -> AudioCoding:
        """Move the model; what it computes in stays as it is.

        Args:
            device: `cpu`, `cuda`, `cuda:1`, ...

        Returns:
            Itself.

        Raises:
            ValueError: If there is no such device here.
        """
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"cannot run on device {str(device)!r} here: {error}; expected cpu, or "
                "cuda where torch finds a GPU"
            ) from error
        self.generator.to(device)
        self.device = str(device)
        return self

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.generator.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.generator.hop_length

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.generator.frame_rate

    @property
    def n_q(self) -> int:
        """Layers of codes."""
        return self.generator.n_q

    @property
    def codebook_size(self) -> int:
        """Entries of each codebook."""
        return self.generator.codebook_size

    @property
    def codebooks(self) -> torch.Tensor:
        """All entries (n_q, codebook_size, D)."""
        return self.generator.codebooks().cpu()

    def encode(
        self, wav: np.ndarray | torch.Tensor, sample_rate: int | None = None
    ) -> torch.Tensor:
        """Encode one waveform into codes (n_q, T) int64; see `encode_batch`."""
        return self.encode_batch([wav], sample_rate)[0]

    @torch.no_grad()
    def encode_batch(
        self,
        wavs: Sequence[np.ndarray | torch.Tensor],
        sample_rate: int | None = None,
    ) -> list[torch.Tensor]:
        """Encode several waveforms, with the same codes as one by one.

        Args:
            wavs: Each (N_i,), or with a second axis of channels, which are averaged.
            sample_rate: Hz of all of them; the model's by default. Another rate is
                resampled.

        Returns:
            For each (n_q, ceil(N_i / hop_length)) int64, N_i at the model's rate.

        Raises:
            ValueError: If a waveform is empty or has NaN or infinite samples.
        """
        rate = sample_rate or self.sample_rate
        ready = [prepare_audio(wav, rate, self.sample_rate) for wav in wavs]
        return self._run_batched(self.generator.encode_chunks, ready, self.hop_length)

    def decode(self, codes: torch.Tensor | np.ndarray, start: int = 0) -> torch.Tensor:
        """Decode codes (k, T) into (T * hop_length,) float32; see `decode_batch`."""
        return self.decode_batch([codes], start)[0]

    @torch.no_grad()
    def decode_batch(
        self, codes: Sequence[torch.Tensor | np.ndarray], start: int = 0
    ) -> list[torch.Tensor]:
        """Decode the codes of several utterances, with the same result as one by one.

        Args:
            codes: Each (k, T_i) or (k, 1, T_i), integers of any width: codes of layers
                start, ..., start + k - 1.
            start: The first of these layers; 0 is the semantic one.

        Returns:
            For each (T_i * hop_length,) float32 at `sample_rate`.

        Raises:
            ValueError: If codes are out of range, empty, or of layers that are not
                there.
        """
        utterances = [one_utterance(one) for one in codes]
        for one in utterances:
            check_codes(one, self.codebook_size)
            most = self.n_q - start
            if one.dim() != 2 or not 0 < len(one) <= most or one.shape[1] == 0:
                raise ValueError(
                    f"codes have shape {tuple(one.shape)}; expected (k, T) with k at "
                    f"most {most} and T at least 1"
                )
        return self._run_batched(
            partial(self.generator.decode_chunks, start=start), utterances, 1
        )

    def _run_batched(
        self,
        run: Callable[[ChunkBatch, Sequence[StreamState]], Iterator[ChunkBatch]],
        signals: Sequence[torch.Tensor],
        frame: int,
    ) -> list[torch.Tensor]:
        """Run signals chunk by chunk, those of similar lengths together.

        Args:
            run: Takes the next chunks of some signals.
            signals: Each (..., N_i).
            frame: Length of a frame in them.
        """
        order = sorted(range(len(signals)), key=lambda i: signals[i].shape[-1])
        done: dict[int, torch.Tensor] = {}
        while order:
            chosen = [order.pop()]
            room = MAX_FRAMES * frame - signals[chosen[0]].shape[-1]
            while order and len(chosen) < MAX_SIGNALS and room >= 0:
                chosen.append(order.pop())
                room -= signals[chosen[-1]].shape[-1]
            states = [StreamState() for _ in chosen]
            batches = split_signals(
                [signals[i].to(self.device) for i in chosen], CHUNK_FRAMES * frame
            )
            # A caller's autocast would change codes.
            off = torch.autocast(torch.device(self.device).type, enabled=False)
            with torch.inference_mode(), off:
                results = [out for batch in batches for out in run(batch, states)]
            # Joined outside of that mode they are ordinary tensors, fit for training.
            done |= zip(chosen, join_chunks(results))
        return [done[i].cpu() for i in range(len(signals))]

    def stream(self) -> CodecStream:
        """Start to encode and decode a signal while it comes.

        Raises:
            ValueError: If the model looks ahead.
        """
        return CodecStream(self.generator, self.device)

    def quantized(self, codes: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Look up each layer's vectors (k, T, D) for codes (k, T)."""
        codes = one_utterance(codes)
        check_codes(codes, self.codebook_size)
        codes = codes[:, None].to(self.device)
        vectors = self.generator.quantizer.codes_to_vectors(codes)
        return vectors[:, 0].transpose(1, 2).cpu()

    def __call__(
        self, audio: np.ndarray | torch.Tensor, encode_only: bool = False
    ) -> dict[str, Any]:
        """Encode and resynthesize, in the form of ESPnet's `AudioCoding`.

        Args:
            audio: (N,) at the model's rate, or with a second axis of channels, which
                are averaged.
            encode_only: Whether to leave out the resynthesis.

        Returns:
            `codes` (n_q, 1, T), and `resyn_audio` (N,) unless left out.
        """
        with torch.no_grad():
            wav = prepare_audio(audio, self.sample_rate, self.sample_rate)
        codes = self.encode(wav)
        if encode_only:
            return {"codes": codes[:, None]}
        return {"codes": codes[:, None], "resyn_audio": self.decode(codes)[: len(wav)]}
