"""Reading and writing Kaldi's text files: tables, segments and CTM.

Read as widely as Kaldi and ESPnet do: fields are apart by blanks or tabs, a byte order
mark and the line ends of Windows are passed over. What is wrong in a line is said with
the file and the number of the line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from espnet_st.data.files import write_whole


class Segment(NamedTuple):
    """Names a part of a recording, as a line of `segments` does.

    Attributes:
        recording: Its key in `wav.scp`.
        start: In seconds.
        end: In seconds; infinite for the recording's.
    """

    recording: str
    start: float
    end: float


class TimedPhone(NamedTuple):
    """Times a phone: its start and duration in seconds."""

    start: float
    duration: float
    phone: str


def read_table(path: str | Path, *, allow_empty: bool = False) -> dict[str, str]:
    """Read lines `key value...`, as in `wav.scp`, `text` and `utt2spk`, in order.

    Args:
        path: What to read.
        allow_empty: Whether a key may stand without a value, "" then.

    Raises:
        ValueError: If the file is missing, empty or no UTF-8, a line has no key, or a
            key comes twice or has no value.
    """
    table: dict[str, str] = {}
    for where, line in _lines(path):
        key, *rest = line.split(maxsplit=1) or [""]
        if not key:
            raise ValueError(f"{where}: empty line; expected 'key value'")
        if key in table:
            raise ValueError(f"{where}: key {key!r} comes twice; keep one")
        if not rest and not allow_empty:
            raise ValueError(
                f"{where}: nothing after key {key!r}; expected 'key value'"
            )
        table[key] = rest[0] if rest else ""
    if not table:
        raise ValueError(f"{path}: the file is empty")
    return table


def read_segments(path: str | Path) -> dict[str, Segment]:
    """Read lines `utterance recording start end`, an end of -1 being the recording's.

    Raises:
        ValueError: If it is no table, or a line is not of that form.
    """
    segments = {}
    for key, value in read_table(path).items():
        try:
            recording, start, end = value.split()
            segment = Segment(recording, float(start), float(end))
        except ValueError:
            raise ValueError(
                f"{path}: {key} {value!r}; expected 'recording start end'"
            ) from None
        if segment.end == -1:
            segment = segment._replace(end=math.inf)
        if not 0 <= segment.start < segment.end:
            raise ValueError(
                f"{path}: {key} is from {segment.start} s to {segment.end} s"
            )
        segments[key] = segment
    return segments


def read_ctm(path: str | Path) -> dict[str, list[TimedPhone]]:
    """Read lines `utterance channel start duration phone [confidence]`, in seconds.

    Comments, which begin with `;;`, are passed over.

    Raises:
        ValueError: If the file is missing or no UTF-8, or a line has other fields.
    """
    phones: dict[str, list[TimedPhone]] = {}
    for where, line in _lines(path):
        if line.startswith(";;"):
            continue
        try:
            key, _, start, duration, phone, *confidence = line.split()
            if len(confidence) > 1:
                raise ValueError("too many fields")
            timed = TimedPhone(float(start), float(duration), phone)
        except ValueError:
            raise ValueError(
                f"{where}: {line!r}; expected 'utterance channel start duration phone'"
            ) from None
        phones.setdefault(key, []).append(timed)
    return phones


def _lines(path: str | Path) -> Iterator[tuple[str, str]]:
    """Give each line without white space around it, and where it is."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text ({error})") from None
    # Not `splitlines`: a text may hold what Unicode takes for the end of a line.
    lines = text.removesuffix("\n").split("\n") if text else []
    for number, line in enumerate(lines, 1):
        yield f"{path}:{number}", line.strip()


def write_table(path: str | Path, table: Mapping[str, object]) -> None:
    """Write lines `key value` sorted by key; the file is there whole or not at all."""
    lines = (f"{key} {table[key]}".rstrip() + "\n" for key in sorted(table))
    write_whole(Path(path), "".join(lines).encode())


def file_of_key(directory: str | Path, key: str, suffix: str) -> Path:
    """Name the file of a key in a directory.

    Raises:
        ValueError: If the key would lead out of the directory.
    """
    parts = PurePosixPath(key).parts
    if key.startswith("/") or ".." in parts or "\0" in key:
        raise ValueError(f"key {key!r} names a file outside of {directory}: rename it")
    return Path(directory) / f"{key}{suffix}"
