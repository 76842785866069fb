"""Reading Kaldi-style data directories: tables, audio files, phone times."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

SAMPLE_RATE = 16000


class Segment(NamedTuple):
    """A phone with its start and duration in seconds."""

    start: float
    duration: float
    phone: str


def read_table(path: str | Path) -> dict[str, str]:
    """Read "key value..." lines, as in `text`, `wav.scp` and `utt2spk`.

    Raises:
        ValueError: the file is missing or empty, or a key comes twice or has no value.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"No such file: {path}.")
    table: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split(maxsplit=1)
        if len(fields) != 2:
            raise ValueError(
                f"{path}, line {number}: expected 'key value', got {line!r}."
            )
        if fields[0] in table:
            raise ValueError(f"{path}, line {number}: the key {fields[0]} comes twice.")
        table[fields[0]] = fields[1].strip()
    if not table:
        raise ValueError(f"{path} is empty.")
    return table


def read_wav_scp(path: str | Path) -> dict[str, Path]:
    """Read a `wav.scp` whose values are plain audio files.

    Raises:
        ValueError: a value is a pipe: such audio must be written to files first.
    """
    table = read_table(path)
    pipes = [key for key, value in table.items() if value.endswith("|")]
    if pipes:
        raise ValueError(
            f"{path}: {pipes[0]} is a command, expected an audio file. "
            "Stage 2 of the recipe writes the files."
        )
    return {key: Path(value) for key, value in table.items()}


def read_wav(path: str | Path, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Read a mono audio file.

    Returns:
        (N,) float32 in [-1, 1].

    Raises:
        ValueError: the file is missing, unreadable, empty, not mono, at another rate,
            or holds a value that is not finite.
    """
    try:
        wav, rate = soundfile.read(str(path), dtype="float32")
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{path}: cannot be read as audio ({error}).") from error
    if rate != sample_rate:
        raise ValueError(f"{path}: {rate} Hz, expected {sample_rate} Hz.")
    if wav.ndim != 1:
        raise ValueError(f"{path}: {wav.shape[1]} channels, expected mono.")
    if len(wav) == 0:
        raise ValueError(f"{path}: no samples.")
    if not np.isfinite(wav).all():
        raise ValueError(f"{path}: holds samples that are not finite numbers.")
    return wav


def read_ctm(path: str | Path) -> dict[str, list[Segment]]:
    """Read phone times, "utt channel start duration phone" lines in seconds.

    Raises:
        ValueError: the file is missing or a line has other fields.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"No such file: {path}.")
    segments: dict[str, list[Segment]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split()
        try:
            utt_id, _, start, duration, phone = fields
            segment = Segment(float(start), float(duration), phone)
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number}: expected 'utt channel start duration phone', "
                f"got {line!r}."
            ) from error
        segments.setdefault(utt_id, []).append(segment)
    return segments


def read_index(path: str | Path) -> dict[str, str]:
    """Lines `key value...` of an index such as `wav.scp`, in order.

    Raises:
        ValueError: If the file is missing, a line has no value or a key comes twice.
    """
    if not Path(path).is_file():
        raise ValueError(f"no index file {path}")
    index: dict[str, str] = {}
    for number, line in enumerate(
        Path(path).read_text(encoding="utf-8").splitlines(), 1
    ):
        key, _, value = line.strip().partition(" ")
        if not value.strip():
            raise ValueError(f"{path}:{number}: {line!r} is not 'key value'")
        if key in index:
            raise ValueError(f"{path}:{number}: key {key} comes twice")
        index[key] = value.strip()
    return index
