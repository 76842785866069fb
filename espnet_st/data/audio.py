"""Reading audio of any kind, for all rooms, and writing it; every error has its name.

What may be read, and whether it is whole, is the business of `streams`; which
utterances there are that of `corpus`.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn.functional import pad
from torchaudio.functional import resample

from espnet_st.data.files import write_whole
from espnet_st.data.streams import open_audio

LOUDEST = 100.0
"""A float sample beyond this can only be an integer of a PCM format."""

QUIETEST = 2.0**-15
"""Integers whose peak is below this share of their range fit a narrower type."""

CANCELLED = 1e-3
"""Channels whose mean has less than this share of their peak cancel each other."""

SILENT = 1e-4
"""A signal without a sample beyond this, -80 dB of full scale, is silent."""


def read_audio(
    source: str | Path, start: float = 0.0, end: float = math.inf
) -> tuple[np.ndarray, int]:
    """Read samples and rate of a file, a Kaldi pipe (`command |`) or archive (`a:17`).

    Args:
        source: What to read. A file goes before an archive of that form.
        start: Where to begin, in seconds.
        end: Where to stop, in seconds; beyond the end of the audio is its end.

    Returns:
        (N,) or (N, channels) float32, and Hz.

    Raises:
        ValueError: If it cannot be read, is truncated, or ends before `start`.
    """
    try:
        with open_audio(str(source)) as stream, soundfile.SoundFile(stream) as audio:
            return _read_part(audio, start, end), audio.samplerate
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"cannot read audio {source}: {error}") from error


def audio_size(source: str | Path) -> tuple[int, int]:
    """Read the number of samples of a source, and its rate in Hz, from its header.

    Raises:
        ValueError: If it cannot be read, or is truncated as far as the header tells.
    """
    try:
        with open_audio(str(source)) as stream, soundfile.SoundFile(stream) as audio:
            return audio.frames, audio.samplerate
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"cannot read audio {source}: {error}") from error


def _read_part(audio: soundfile.SoundFile, start: float, end: float) -> np.ndarray:
    first, last = part_of(audio.frames, audio.samplerate, start, end)
    if first >= last > 0:
        length = audio.frames / audio.samplerate
        raise ValueError(f"it ends at {length} s, before {start} s")
    before = 0 if audio.seekable() else first  # GSM is not
    if first > before:
        audio.seek(first)
    samples = audio.read(last - first + before, dtype="float32")[before:]
    if len(samples) < last - first:
        raise ValueError(
            f"truncated: {len(samples)} samples of {last - first} are there"
        )
    return samples


def part_of(
    n_samples: int, sample_rate: int, start: float, end: float
) -> tuple[int, int]:
    """Give the first sample of a part, and the one behind its last.

    Args:
        n_samples: Of the whole.
        sample_rate: Hz.
        start: Of the part, in seconds.
        end: Of the part, in seconds.
    """
    last = n_samples if math.isinf(end) else min(n_samples, round(end * sample_rate))
    return round(start * sample_rate), last


def load_audio(
    source: str | Path, sample_rate: int, start: float = 0.0, end: float = math.inf
) -> Tensor:
    """Read a source as mono samples (N,) float32 at a rate.

    Args:
        source: See `read_audio`.
        sample_rate: Hz of the result.
        start: Where to begin, in seconds.
        end: Where to stop, in seconds.

    Raises:
        ValueError: If it cannot be read or used.
    """
    return prepare_audio(*read_audio(source, start, end), sample_rate)


def resampled_length(n_samples: int, sample_rate: int, target_rate: int) -> int:
    """Give the length of `n_samples` at another rate, as `prepare_audio` makes it."""
    return -(-n_samples * target_rate // sample_rate)


def prepare_audio(
    wav: np.ndarray | Tensor, sample_rate: int, target_rate: int
) -> Tensor:
    """Make mono float32 at the model's rate of what a user has.

    Args:
        wav: (N,), (N, channels) or (channels, N), a tensor, an array or what numpy
            takes for one; of two axes the shorter one holds channels, which are
            averaged. Integers are scaled by their type's range; others lie in [-1, 1],
            and somewhat beyond is taken as it is.
        sample_rate: Hz of `wav`.
        target_rate: Hz of the result.

    Returns:
        (N',), without a gradient, on the device of `wav`.

    Raises:
        ValueError: If it is empty, has NaN or infinite samples or more than two axes,
            is integers in another type, or its channels cancel each other.
    """
    for rate in (sample_rate, target_rate):
        if rate != int(rate) or rate <= 0:
            raise ValueError(f"a sample rate of {rate}; expected whole Hz above 0")
    samples = _to_tensor(wav)
    if samples.dim() not in (1, 2) or samples.numel() == 0:
        raise ValueError(
            f"audio of shape {tuple(samples.shape)}; expected (N,) or two axes, not "
            "empty"
        )
    kind = samples.dtype
    # A caller's autocast would change samples.
    with torch.no_grad(), torch.autocast(samples.device.type, enabled=False):
        if not kind.is_floating_point:
            span = torch.iinfo(kind)  # unsigned samples are silent at mid-range
            half, middle = (span.max - span.min + 1) / 2, (span.max + span.min + 1) / 2
            samples = (samples.double() - middle) / half
        samples = samples.float()
        peak = _peak(samples)
        if not kind.is_floating_point and 0 < peak < QUIETEST:
            raise ValueError(
                f"audio of {kind} reaches only {peak:g} of its range: are these 16-bit "
                "samples in a wider type? Convert them to int16"
            )
        if samples.dim() == 2:
            samples = samples.mean(0 if samples.shape[0] < samples.shape[1] else 1)
            if _peak(samples) < CANCELLED * peak:
                raise ValueError(
                    f"channels reach {peak:g} and their mean {_peak(samples):g}: they "
                    "cancel each other; give one of them"
                )
        if sample_rate != target_rate:
            rates = int(sample_rate), int(target_rate)
            length = resampled_length(samples.numel(), *rates)
            # torchaudio counts in float32: some samples too few in a long signal.
            spare = 1 + samples.numel() // 2**20
            samples = resample(pad(samples, (0, spare)), *rates)[:length]
            _peak(samples)
    return samples


def _to_tensor(wav: np.ndarray | Tensor) -> Tensor:
    """Give a dense tensor of floats or integers, without a gradient."""
    if not torch.is_tensor(wav):
        array = np.asarray(wav)
        if array.dtype.kind not in "fiu":
            raise ValueError(f"audio is {array.dtype}; expected floats or integers")
        if array.dtype.itemsize > 8:  # long double
            array = array.astype(np.float64)
        # torch takes no foreign byte order and no negative strides, and warns of
        # memory that cannot be written to.
        array = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
        return torch.from_numpy(array)
    if wav.is_quantized or wav.layout is not torch.strided:
        raise ValueError(
            f"audio is a tensor of {wav.dtype}, {wav.layout}; expected a dense one of "
            "floats or integers"
        )
    if wav.is_complex() or wav.dtype == torch.bool:
        raise ValueError(f"audio is {wav.dtype}; expected floats or integers")
    return wav.detach()


def _peak(wav: Tensor) -> float:
    """Give the largest absolute sample.

    Raises:
        ValueError: If there are NaN or infinite samples, or integers as floats.
    """
    peak = max(map(abs, torch.stack(wav.aminmax()).tolist()))
    if not math.isfinite(peak):
        raise ValueError("audio has NaN or infinite samples: repair or remove the file")
    if peak > LOUDEST:
        raise ValueError(
            f"audio reaches {peak:g}; expected samples in [-1, 1]: "
            "pass integers as integers, or divide by their range"
        )
    return peak


def wav_bytes(wav: Tensor, sample_rate: int) -> bytes:
    """Make a WAV file of samples (N,): 16-bit PCM."""
    file = io.BytesIO()
    samples = wav.cpu().numpy()
    soundfile.write(file, samples, sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def write_wav(path: Path, wav: Tensor, sample_rate: int) -> None:
    """Write (N,) as 16-bit PCM; the file is there whole or not at all."""
    write_whole(path, wav_bytes(wav, sample_rate))
