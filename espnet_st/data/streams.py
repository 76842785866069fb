"""Opening what audio is read from: files, commands and archives, known to be whole.

A source is a file of any format that libsndfile knows, the output of a command
(`command |`) or an entry of a Kaldi archive (`archive:offset`). `audio` decodes it.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from espnet_st.data.containers import Readable, find_samples


@contextmanager
def open_audio(source: str) -> Iterator[str | Readable]:
    """Give what libsndfile is to read, once it is known to be whole.

    Args:
        source: A file goes before an archive of that form.

    Raises:
        ValueError: If it is truncated, holds no audio, or its command fails.
        OSError: If there is no such file.
    """
    if source.endswith("|"):
        yield _whole(io.BytesIO(_output_of(source[:-1])))
    elif (place := re.fullmatch(r"(.+):(\d+)", source)) and not Path(source).exists():
        with Path(place[1]).open("rb") as archive:
            yield _entry(archive, int(place[2]))
    else:
        with Path(source).open("rb") as stream:
            whole = _whole(stream)
        yield source if whole is stream else whole


class _Entry:
    """Shows an archive's entry, from `start` to `end`, as a file of its own."""

    def __init__(self, stream: Readable, start: int, end: int) -> None:
        self.stream, self.start, self.end = stream, start, end
        self.stream.seek(start)

    def tell(self) -> int:
        """Give the position in the entry."""
        return self.stream.tell() - self.start

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a position in the entry."""
        base = {os.SEEK_SET: self.start, os.SEEK_END: self.end}
        self.stream.seek(base.get(whence, self.stream.tell()) + offset)
        return self.tell()

    def read(self, size: int = -1, /) -> bytes:
        """Read bytes of the entry."""
        left = max(self.end - self.stream.tell(), 0)
        return self.stream.read(left if size < 0 else min(size, left))


def _whole(stream: Readable) -> Readable:
    """Check that a file has the samples that its header promises.

    Returns:
        The file at its beginning; or a copy with a size, if the header lacks it.
    """
    found = find_samples(stream)
    available = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if found is None:
        return stream
    if found.size is None:
        return _with_size(stream, found.start)
    _check_size(available - found.start, found.size)
    return stream


def _with_size(stream: Readable, start: int) -> Readable:
    """Put the largest size, which libsndfile understands, into a header that says 0."""
    if stream.read(start)[-4:] != b"\0\0\0\0":
        stream.seek(0)
        return stream
    stream.seek(0)
    data = bytearray(stream.read())
    data[start - 4 : start] = b"\xff\xff\xff\xff"
    return io.BytesIO(data)


def _check_size(available: int, size: int) -> None:
    if available < size:
        raise ValueError(f"truncated: {max(available, 0)} bytes of {size} are there")


def _entry(archive: Readable, offset: int) -> _Entry:
    """Find an entry of an archive: a WAV or FLAC file, or `AUDIO`, a length and a file.

    Nothing else is taken: kaldiio would run a pickle that it finds there.
    """
    end = archive.seek(0, os.SEEK_END)
    archive.seek(offset)
    kind = archive.read(5)
    if kind == b"AUDIO":
        size = int.from_bytes(archive.read(archive.read(1)[0]), "little")
        start = archive.tell()
        _check_size(end - start, size)
        _whole(_Entry(archive, start, start + size))
        return _Entry(archive, start, start + size)
    if kind[:4] == b"RIFF":
        found = find_samples(_Entry(archive, offset, end))
        if found is None or found.size is None:
            raise ValueError("a WAV file in an archive that does not say its size")
        _check_size(end - offset - found.start, found.size)
        return _Entry(archive, offset, offset + found.start + found.size)
    if kind[:4] == b"fLaC":
        return _Entry(archive, offset, end)
    raise ValueError("it holds no audio")


def _output_of(command: str) -> bytes:
    """Give what a shell command writes; ValueError with its message if it fails."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()
        raise ValueError(f"the command failed with {done.returncode}: {message}")
    return done.stdout
