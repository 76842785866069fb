"""A feature extractor for ESPnet's TTS: codes from waveforms while a model trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from espnet2.tts.feats_extract.abs_feats_extract import AbsFeatsExtract
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_st.inference.audio_coding import AudioCoding


class TTSFeatures(AbsFeatsExtract):
    """Encode waveforms with a frozen codec.

    With it `tts: uslm` trains on waveforms in place of codes. Each utterance gets the
    codes that it gets alone. The codec is neither among the parameters nor in
    checkpoints.

    Args:
        codec: What `AudioCoding.from_pretrained` takes.
        fs: Hz of the waveforms, if it is not the codec's rate; they are resampled.

    Raises:
        ValueError: If the codec cannot be loaded.
    """

    def __init__(self, codec: str | Path, fs: int | None = None) -> None:
        super().__init__()
        self.codec = AudioCoding.from_pretrained(codec)
        self.sample_rate = fs or self.codec.sample_rate

    def output_size(self) -> int:
        """Tell the number of layers of codes."""
        return self.codec.n_q

    def get_parameters(self) -> dict[str, Any]:
        """Tell what ESPnet hands to a vocoder."""
        return {
            "fs": self.codec.sample_rate,
            "hop_length": self.codec.hop_length,
            "n_q": self.codec.n_q,
            "codebook_size": self.codec.codebook_size,
        }

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode waveforms.

        Args:
            input: Waveforms (B, N).
            input_lengths: Their samples (B,).

        Returns:
            Codes (B, T, n_q) as ESPnet loads them, float, zero beyond the lengths, and
            frames (B,).

        Raises:
            ValueError: If an utterance is empty or cannot be encoded.
        """
        wavs = [wav[:size] for wav, size in zip(input, input_lengths.tolist())]
        codes = [
            one.t().to(input) for one in self.codec.encode_batch(wavs, self.sample_rate)
        ]
        lengths = torch.tensor([len(one) for one in codes], device=input_lengths.device)
        return pad_sequence(codes, batch_first=True), lengths
