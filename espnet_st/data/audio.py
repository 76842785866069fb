"""Reading and writing audio by Kaldi's index files, with names in every error."""

from __future__ import annotations

import io
import math
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import torch
from kaldiio.matio import read_kaldi
from torchaudio.functional import resample

LOUDEST = 100.0
"""A float sample beyond this can only be an integer of a PCM format."""

QUIETEST = 2.0**-15
"""Integers whose peak is below this share of their range fit a narrower type."""


def read_audio(
    source: str, start: float = 0.0, end: float = math.inf
) -> tuple[np.ndarray, int]:
    """Samples and rate of a file, a Kaldi pipe (`command |`) or archive (`ark:17`).

    Args:
        source: What to read.
        start: Where to begin, in seconds.
        end: Where to stop, in seconds; beyond the end of the audio is its end.

    Returns:
        (N,) or (N, channels) float32 or integers, and Hz.

    Raises:
        ValueError: If it cannot be read, is truncated, or ends before `start`.
    """
    try:
        if place := re.fullmatch(r"(.+):(\d+)", source):
            rate, samples = _from_archive(place[1], int(place[2]))
            last = None if math.isinf(end) else round(end * rate)
            return samples[round(start * rate) : last], rate
        stream: str | io.BytesIO = source
        if source.endswith("|"):
            stream = io.BytesIO(_output_of(source[:-1]))
        else:
            _check_riff(source)
        with soundfile.SoundFile(stream) as audio:
            first, last = round(start * audio.samplerate), audio.frames
            if end < math.inf:
                last = min(last, round(end * audio.samplerate))
            if first >= last > 0:
                ends = audio.frames / audio.samplerate
                raise ValueError(f"it ends at {ends} s, before {start} s")
            audio.seek(first)
            samples = audio.read(last - first, dtype="float32")
            if len(samples) < last - first:
                raise ValueError(
                    f"truncated: {len(samples)} samples of {last - first} are there"
                )
            return samples, audio.samplerate
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"cannot read audio {source}: {error}") from error


def _from_archive(archive: str, offset: int) -> tuple[int, np.ndarray]:
    with Path(archive).open("rb") as stream:
        stream.seek(offset)
        # kaldiio would run a pickle that it finds there.
        if not stream.read(5).startswith((b"RIFF", b"fLaC", b"AUDIO")):
            raise ValueError("it holds no audio")
        stream.seek(offset)
        rate, samples = read_kaldi(stream)
    return rate, samples.copy()  # what it gives cannot be written to


def _output_of(command: str) -> bytes:
    """What a shell command writes; ValueError with what it said if it fails."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise ValueError(f"the command failed with {done.returncode}: {said}")
    return done.stdout


def _check_riff(path: str) -> None:
    """ValueError if a WAV file is shorter than its header says.

    libsndfile takes such a file for a shorter one. A program that wrote into a pipe
    did not know the length, and put the largest number.
    """
    with Path(path).open("rb") as stream:
        header = stream.read(12)
        size = stream.seek(0, os.SEEK_END)
    promised = int.from_bytes(header[4:8], "little") + 8
    if header[:4] == b"RIFF" and size + 1 < promised < 0x7FFF0000:
        raise ValueError(f"truncated: {size} bytes of {promised} are there")


def prepare_audio(
    wav: np.ndarray | torch.Tensor, sample_rate: int, target_rate: int
) -> torch.Tensor:
    """Mono float32 at the model's rate.

    Args:
        wav: (N,), (N, channels) or (channels, N); of two axes the shorter one holds
            channels, which are averaged. Integers are scaled by their type's range;
            others lie in [-1, 1], and somewhat beyond is taken as it is.
        sample_rate: Hz of `wav`.
        target_rate: Hz of the result.

    Returns:
        (N',).

    Raises:
        ValueError: If it is empty, has NaN or infinite samples or more than two axes,
            or is integers in another type.
    """
    wav = torch.as_tensor(wav)
    if wav.dim() not in (1, 2) or wav.numel() == 0:
        raise ValueError(
            f"audio of shape {tuple(wav.shape)}; expected (N,) or two axes, not empty"
        )
    if wav.is_complex() or wav.dtype == torch.bool:
        raise ValueError(f"audio is {wav.dtype}; expected floats or integers")
    kind = wav.dtype
    if not kind.is_floating_point:
        span = torch.iinfo(wav.dtype)  # unsigned samples are silent at mid-range
        half, middle = (span.max - span.min + 1) / 2, (span.max + span.min + 1) / 2
        wav = (wav.double() - middle) / half
    wav = wav.float()
    if wav.dim() == 2:
        wav = wav.mean(0 if wav.shape[0] < wav.shape[1] else 1)
    loudest = max(map(abs, torch.stack(wav.aminmax()).tolist()))
    if not math.isfinite(loudest):
        raise ValueError("audio has NaN or infinite samples: repair or remove the file")
    if loudest > LOUDEST:
        raise ValueError(
            f"audio reaches {loudest:g}; expected samples in [-1, 1]: "
            "pass integers as integers, or divide by their range"
        )
    if not kind.is_floating_point and 0 < loudest < QUIETEST:
        raise ValueError(
            f"audio of {kind} reaches only {loudest:g} of its range: are these 16-bit "
            "samples in a wider type? Convert them to int16"
        )
    if sample_rate != target_rate:
        with torch.autocast(wav.device.type, enabled=False):
            wav = resample(wav, sample_rate, target_rate)
    return wav


def write_wav(path: Path, wav: torch.Tensor, sample_rate: int) -> None:
    """Write (N,) as 16-bit PCM; the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.wav")
    soundfile.write(partial, wav.cpu().numpy(), sample_rate, subtype="PCM_16")
    partial.replace(path)
