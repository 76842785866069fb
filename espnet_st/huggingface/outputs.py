"""What a codec of `transformers` gives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from transformers.utils import ModelOutput


@dataclass
class SpeechTokenizerEncoderOutput(ModelOutput):
    """What `encode` gives.

    Attributes:
        audio_codes: (B, n_q, T) int64, 0 where a signal has ended.
        audio_codes_mask: (B, T) int64: 1 for the frames of a signal, 0 beyond.
    """

    audio_codes: Tensor | None = None
    audio_codes_mask: Tensor | None = None


@dataclass
class SpeechTokenizerDecoderOutput(ModelOutput):
    """What `decode` gives.

    Attributes:
        audio_values: (B, 1, N), 0 where a signal has ended.
    """

    audio_values: Tensor | None = None


@dataclass
class SpeechTokenizerOutput(ModelOutput):
    """What a call of the model gives; see the other two."""

    audio_codes: Tensor | None = None
    audio_values: Tensor | None = None
    audio_codes_mask: Tensor | None = None
