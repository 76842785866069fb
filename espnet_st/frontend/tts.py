"""A feature extractor for ESPnet's TTS: codes from waveforms while a model trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from espnet2.tts.feats_extract.abs_feats_extract import AbsFeatsExtract
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_st.frontend.rates import parse_rate
from espnet_st.inference.audio_coding import AudioCoding


class TTSFeatures(AbsFeatsExtract):
    """Encode waveforms with a frozen codec.

    With it `tts: uslm` trains on waveforms in place of codes. Each utterance gets the
    codes that it gets alone. The codec is neither among the parameters nor in
    checkpoints.

    Args:
        codec: What `AudioCoding.from_pretrained` takes.
        fs: Hz of the waveforms, also as "16k", if it is not the codec's rate; they are
            resampled.
        hop_length: Samples of a frame at `fs`, which ESPnet's recipe `tts1` passes
            (its `--n_shift`): None, or what the codec has.
        n_fft: Of a spectrogram, which the recipe passes whatever the features are;
            unused.
        win_length: As `n_fft`.

    Raises:
        ValueError: If the codec cannot be loaded, `fs` is no rate, or frames are not
            of `hop_length` samples.
    """

    def __init__(
        self,
        codec: str | Path,
        fs: int | str | None = None,
        hop_length: int | None = None,
        n_fft: int | None = None,
        win_length: int | None = None,
    ) -> None:
        super().__init__()
        self.codec = AudioCoding.from_pretrained(codec)
        self.sample_rate = self.codec.sample_rate if fs is None else parse_rate(fs)
        # In seconds, a frame is as long at any rate.
        frame = self.codec.hop_length * self.sample_rate / self.codec.sample_rate
        if hop_length is not None and hop_length != frame:
            raise ValueError(
                f"hop_length is {hop_length} (--n_shift of a recipe), but a frame of "
                f"the codec has {frame:g} samples at {self.sample_rate} Hz; give that, "
                "and fs if this is not the rate of the waveforms"
            )

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

    def forward(
        self, input: Tensor, input_lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode waveforms.

        Args:
            input: Waveforms (B, N).
            input_lengths: Their samples (B,); None if all have N.

        Returns:
            Codes (B, T, n_q) as ESPnet loads them, float, zero beyond the lengths, and
            frames (B,).

        Raises:
            ValueError: If an utterance is empty or cannot be encoded.
        """
        if input_lengths is None:
            input_lengths = input.new_full(input.shape[:1], input.shape[1]).long()
        wavs = [wav[:size] for wav, size in zip(input, input_lengths.tolist())]
        codes = [
            one.t().to(input) for one in self.codec.encode_batch(wavs, self.sample_rate)
        ]
        lengths = torch.tensor([len(one) for one in codes], device=input_lengths.device)
        return pad_sequence(codes, batch_first=True), lengths
