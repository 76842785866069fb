"""AudioCoding: waveforms to codes and back; as a command, codes to wav files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_st.checkpoints.generators import load_generator
from espnet_st.codec.ragged import decode_latents, decode_ragged, encode_ragged
from espnet_st.codes import check_codes, one_utterance
from espnet_st.data.audio import prepare_audio
from espnet_st.inference.streaming import CodecStream
from espnet_st.kernels.processor import usable_dtype

DTYPES = ("float32", "bfloat16", "auto")
"""What a codec can be asked to compute in."""


class AudioCoding:
    """A trained codec: this package's, or one of ESPnet's own.

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
        self.generator = load_generator(train_config, model_file)
        self.generator.fold_weight_norm()
        self.generator.eval().requires_grad_(False)
        self.to(device)
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(DTYPES)}")
        parts = self.generator.encoder, self.generator.decoder
        for part in parts:
            if not getattr(part, "half_precision", False):  # ESPnet's parts say nothing
                if dtype == "bfloat16":
                    raise ValueError(f"{type(part).__name__} runs in float32 only")
                dtype = "float32"
        for part in parts:
            part.to(getattr(torch, usable_dtype(dtype, self.device)))

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
        return [codes.cpu() for codes in encode_ragged(self.generator, ready)]

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
        return [wav.cpu() for wav in decode_ragged(self.generator, utterances, start)]

    @torch.no_grad()
    def decode_vectors(self, vectors: torch.Tensor) -> torch.Tensor:
        """Decode vectors that a model predicts in place of codes.

        Args:
            vectors: What the decoder takes (T, D): the sum over the layers of their
                entries, as `quantized(codes).sum(0)` gives it.

        Returns:
            (T * hop_length,) float32 at `sample_rate`.

        Raises:
            ValueError: If they are of another shape, no floats, or not finite.
        """
        width = self.generator.dimension
        if vectors.dim() != 2 or vectors.shape[1] != width or len(vectors) == 0:
            raise ValueError(
                f"vectors have shape {tuple(vectors.shape)}; expected (T, {width}) "
                "with T at least 1"
            )
        if not vectors.is_floating_point() or not vectors.isfinite().all():
            raise ValueError(f"vectors are {vectors.dtype}; expected finite floats")
        latent = vectors.detach().float().t().contiguous()
        return decode_latents(self.generator, [latent])[0].cpu()

    def stream(self) -> CodecStream:
        """Start to encode and decode a signal while it comes.

        Raises:
            ValueError: If the model looks ahead, as ESPnet's own codecs do.
        """
        return CodecStream(self.generator, self.device)

    def quantized(self, codes: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Look up each layer's vectors (k, T, D) for codes (k, T)."""
        codes = one_utterance(codes)
        check_codes(codes, self.codebook_size)
        codes = codes[:, None].to(self.device)
        vectors = self.generator.codes_to_vectors(codes)
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
