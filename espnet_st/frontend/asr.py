"""A frontend for ESPnet's ASR: speech tokens in place of a spectrogram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from torch import Tensor, nn
from torch.nn.functional import embedding
from torch.nn.utils.rnn import pad_sequence

from espnet_st.frontend.code_cache import CodeCache
from espnet_st.frontend.rates import parse_rate
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.code_tokens import parse_layers


class ASRFrontend(AbsFrontend):
    """Turn waveforms to a frozen codec's tokens, and tokens to vectors.

    The codec is neither among the parameters nor in checkpoints: `codec` names it, and
    it is loaded when the model is built. It runs where the waveforms are. Each
    utterance is encoded as it is alone, so that features do not depend on the batch.

    Args:
        codec: What `AudioCoding.from_pretrained` takes.
        layers: `k` or `j-k`, counted from 1, or `all`; `1` is the semantic layer.
        vectors: `codebook` looks tokens up in the frozen codebooks; `learnt` in
            tables that start from the codebooks and learn; `random` in tables of
            `size` that start from random values and learn.
        size: Width of `random` tables.
        weighted: Whether layers are summed with learnt weights (softmax, times the
            number of layers) in place of a plain sum.
        upsample: How many times a frame is repeated: ESPnet's `conv2d` input layers
            keep one of four frames, which is much of 50 a second.
        fs: Rate of the waveforms in Hz, also as `16k`, if it is not the codec's; they
            are resampled.
        cache_mb: Megabytes of memory for the tokens of waveforms that came already:
            training without augmentation encodes each but once. 0 turns it off.

    Raises:
        ValueError: If an option is out of range, or the codec cannot be loaded.
    """

    def __init__(
        self,
        codec: str | Path,
        layers: str | int = "1",
        vectors: str = "codebook",
        size: int = 256,
        weighted: bool = False,
        upsample: int = 1,
        fs: int | str | None = None,
        cache_mb: float = 256,
    ) -> None:
        super().__init__()
        self.codec = AudioCoding.from_pretrained(codec)
        n_q = self.codec.n_q
        self.layers = parse_layers(f"1-{n_q}" if layers == "all" else layers, n_q)
        if upsample < 1:
            raise ValueError(f"upsample is {upsample}; expected 1 or more")
        self.upsample = upsample
        self.sample_rate = self.codec.sample_rate if fs is None else parse_rate(fs)
        self.hop_length = self.codec.hop_length  # ESPnet's name for it, too
        self.cache = CodeCache(cache_mb)
        books = self.codec.codebooks[list(self.layers)]  # (k, codebook_size, D)
        if vectors == "random":
            books = torch.randn(*books.shape[:2], size) * size**-0.5
        if vectors == "codebook":
            self.register_buffer("tables", books, persistent=False)
        elif vectors in ("learnt", "random"):
            self.tables = nn.Parameter(books.clone())
        else:
            raise ValueError(
                f"vectors is {vectors!r}; expected codebook, learnt or random"
            )
        self.weights = nn.Parameter(torch.zeros(len(self.layers))) if weighted else None

    def output_size(self) -> int:
        """Tell the width of the features."""
        return self.tables.shape[-1]

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Tokenize waveforms and look the tokens up.

        Args:
            input: Waveforms (B, N), or (B, N, channels), which are averaged.
            input_lengths: Their samples (B,).

        Returns:
            Features (B, T, D), zero beyond the lengths, and lengths (B,).

        Raises:
            ValueError: If an utterance is empty, longer than the batch, or cannot be
                encoded.
        """
        sizes = input_lengths.tolist()
        if min(sizes) < 1 or max(sizes) > input.shape[1]:
            raise ValueError(
                f"lengths of {min(sizes)} to {max(sizes)} samples in a batch of "
                f"{input.shape[1]}; expected 1 to {input.shape[1]}"
            )
        if torch.device(self.codec.device) != input.device:
            self.codec.to(input.device)
        wavs = [wav[:size].detach() for wav, size in zip(input, sizes)]
        codes = self.cache.get(wavs, self.encode)
        features = [self.look_up(one.to(self.tables.device)) for one in codes]
        lengths = torch.tensor([len(x) for x in features], device=input_lengths.device)
        return pad_sequence(features, batch_first=True), lengths

    def encode(self, wavs: Sequence[Tensor]) -> list[Tensor]:
        """Encode waveforms, each (N_i,), into codes of the chosen layers (k, T_i)."""
        codes = self.codec.encode_batch(wavs, self.sample_rate)
        return [one[self.layers.start : self.layers.stop] for one in codes]

    def look_up(self, codes: Tensor) -> Tensor:
        """Sum the vectors of an utterance's tokens.

        Args:
            codes: Of the chosen layers (k, T).

        Returns:
            (T * upsample, D).
        """
        weights = [1.0] * len(self.layers)
        if self.weights is not None:
            weights = list(len(self.layers) * self.weights.softmax(0))
        parts = [
            embedding(layer, table) * weight
            for layer, table, weight in zip(codes, self.tables, weights)
        ]
        return sum(parts[1:], parts[0]).repeat_interleave(self.upsample, dim=0)
