"""What stability and speed need of a tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from espnet_st.slmtokbench.tokens.coded_set import as_codes


@dataclass(frozen=True)
class Tokenizer:
    """Encode signals, and maybe decode codes.

    Attributes:
        encode: Turns a list of signals (N_i,) float32 to codes (n_q, T_i) each.
        hop_length: Samples per frame.
        sample_rate: Hz of the signals.
        decode: Turns a list of codes (n_q, T_i) to signals; None if there is no
            decoder.
    """

    encode: Callable[[list[np.ndarray]], Sequence[Any]]
    hop_length: int
    sample_rate: int
    decode: Callable[[list[np.ndarray]], Sequence[Any]] | None = None

    def codes_of(self, signals: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Encode signals by utterance.

        Returns:
            Codes (n_q, T) int64.

        Raises:
            ValueError: If an encoding is missing or is no codes, or a signal's codes
                are not as long as it is, within a frame.
        """
        keys = list(signals)
        encoded = self.encode([signals[key] for key in keys])
        if len(encoded) != len(keys):
            raise ValueError(
                f"{len(encoded)} encodings of {len(keys)} signals; expected one of each"
            )
        found = {key: as_codes(key, one) for key, one in zip(keys, encoded)}
        for key, codes in found.items():
            check_length(key, codes, len(signals[key]), self.hop_length)
        return found


def codec_tokenizer(codec: Any) -> Tokenizer:
    """Wrap an `AudioCoding`, or what has its methods and properties."""
    return Tokenizer(
        encode=codec.encode_batch,
        hop_length=codec.hop_length,
        sample_rate=codec.sample_rate,
        decode=codec.decode_batch,
    )


def check_length(key: str, codes: np.ndarray, samples: int, hop_length: int) -> None:
    """Refuse codes (n_q, T) that are not as long as the speech, within a frame.

    Raises:
        ValueError: With both lengths.
    """
    frames, exact = codes.shape[1], samples / hop_length
    if abs(frames - exact) > 1 + 1e-6:
        raise ValueError(
            f"{key} has {samples} samples, {exact:.1f} frames of {hop_length}, and "
            f"{frames} frames of codes; expected the same audio, and the tokenizer's "
            "own rate"
        )


def check_speech(speech: Mapping[str, np.ndarray], hop_length: int) -> None:
    """Refuse signals on which no tokenizer can be measured.

    Raises:
        ValueError: If there is none, or one is not (N,), shorter than two frames or
            holds NaN.
    """
    if not speech:
        raise ValueError("no speech to measure the tokenizer on; expected some signals")
    for key, signal in speech.items():
        if signal.ndim != 1 or len(signal) < 2 * hop_length:
            raise ValueError(
                f"speech of {key} has shape {signal.shape}; expected (N,) with at "
                f"least two frames, {2 * hop_length} samples"
            )
        if not np.isfinite(signal).all():
            raise ValueError(f"speech of {key} holds NaN or infinity")
