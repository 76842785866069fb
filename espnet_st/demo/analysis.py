"""What the page shows of speech and codes, as arrays: levels, spectra, resyntheses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool1d, pad

from espnet_st.codec.mel_loss import MelLoss
from espnet_st.inference.audio_coding import AudioCoding

PCM_BITS = 16
"""Bits of a sample of the original, as it is played."""
MEL_EXPONENT, N_MELS = 10, 64
"""Windows of the spectrogram are 2^10 samples."""
MEL_RANGE = 80.0
"""Decibels from the loudest point of a spectrogram to the darkest shown."""


@dataclass(frozen=True)
class Resynthesis:
    """Speech decoded from some layers.

    Attributes:
        first: The first of them, counted from 1 as in the paper.
        last: The last of them.
        wav: (N,) as long as the original.
    """

    first: int
    last: int
    wav: Tensor

    @property
    def n_layers(self) -> int:
        """Count the layers."""
        return self.last - self.first + 1


def bit_rate(codec: AudioCoding, n_layers: int) -> float:
    """Compute the bits per second of `n_layers` layers of codes."""
    return n_layers * codec.frame_rate * math.log2(codec.codebook_size)


def name_layers(first: int, last: int) -> str:
    """Name layers `first` to `last`, counted from 1, as the paper does."""
    return f"layers {first}:{last}" if first < last else f"layer {first}"


def resynthesize(
    codec: AudioCoding, codes: Tensor, n_samples: int
) -> Iterator[Resynthesis]:
    """Decode layers 1, 1:2, ..., and in the end those without the first.

    Args:
        codec: Decodes.
        codes: (n_q, T).
        n_samples: Length of the original.
    """
    n_q = len(codes)
    for last in range(1, n_q + 1):
        wav = codec.decode(codes[:last])[:n_samples]
        yield Resynthesis(1, last, wav)
    if n_q > 1:
        wav = codec.decode(codes[1:], start=1)[:n_samples]
        yield Resynthesis(2, n_q, wav)


def envelope(wav: Tensor, columns: int) -> np.ndarray:
    """Find the least and the largest sample (2, C) in each of up to `columns` parts.

    Args:
        wav: (N,).
        columns: Largest C; shorter signals have one for each sample.
    """
    columns = min(columns, len(wav))
    top, bottom = (
        adaptive_max_pool1d(one[None, None], columns)[0, 0] for one in (wav, -wav)
    )
    return torch.stack([-bottom, top]).numpy()


def log_mel(wav: Tensor, sample_rate: int, columns: int) -> np.ndarray:
    """Compute the mel spectrogram (n_mels, T) of speech, as the codec's loss sees it.

    Args:
        wav: (N,).
        sample_rate: Hz.
        columns: Largest T; of a longer spectrogram the largest of neighbours is kept.

    Returns:
        Decibels from -`MEL_RANGE` to 0, the loudest point.
    """
    size = 2**MEL_EXPONENT
    spectra = MelLoss(sample_rate, N_MELS, [MEL_EXPONENT], log=True)
    # Frame t is centred on its hop; the end is padded to a whole hop.
    edge, hop = (size - size // 4) // 2, size // 4
    padded = pad(wav, (edge, edge + -len(wav) % hop))
    mel = 20.0 * spectra.spectrogram(padded[None, None], size)[0].T
    if mel.shape[1] > columns:
        mel = adaptive_max_pool1d(mel, columns)
    return (mel - mel.max()).clamp_min(-MEL_RANGE).numpy()
