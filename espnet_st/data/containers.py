"""Finding where the samples of an audio file are, by the header of the samples.

libsndfile takes a file that was cut for a shorter one. The outer header of a WAV file
is no help: recorders in browsers write the size of the file there, and a program that
writes into a pipe cannot know it. The chunk that holds the samples says it right.
Holds RIFF, RF64 and W64 (WAV), AIFF, SVX, AU, VOC and NIST files. Of the others CAF,
FLAC, OGG and MP3 notice a cut themselves; formats of samplers and MATLAB do not.
Decoding is none of its business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

UNKNOWN = 0x7FFF0000
"""Sizes from here on stand for a length that the writer did not know."""

NIST = 1024
"""Bytes of a NIST header, as all of them have."""


class Readable(Protocol):
    """Reads bytes at any place, as an open file does."""

    def read(self, size: int = -1, /) -> bytes:
        """Read bytes from where it stands, all that are left by default."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place, and give it."""

    def tell(self) -> int:
        """Give the place where it stands."""


class SampleData(NamedTuple):
    """Says where the samples of a file are.

    Attributes:
        start: Their first byte.
        size: Bytes that are promised; None if the writer did not know.
    """

    start: int
    size: int | None


def find_samples(stream: Readable) -> SampleData | None:
    """Find the samples of an audio file; None where its format does not tell.

    Args:
        stream: The file, at its beginning; it may stand anywhere afterwards.
    """
    magic = stream.read(12)
    if magic[:4] in (b"RIFF", b"RF64") and magic[8:] == b"WAVE":
        return _find_in_wav(stream, int.from_bytes(magic[4:8], "little"))
    if magic[:4] == b"FORM" and magic[8:] in (b"AIFF", b"AIFC"):
        for name, start, size in _chunks(stream, "big"):
            if name == b"SSND":
                return SampleData(start, size)
    if magic[:4] == b"FORM" and magic[8:] in (b"8SVX", b"16SV"):
        for name, start, size in _chunks(stream, "big"):
            if name == b"BODY":
                return SampleData(start, size)
    if magic == b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb":
        return _find_in_w64(stream)
    if magic == b"Creative Voi":
        return _find_in_voc(stream)
    if magic[:4] == b".snd":
        start, size = (int.from_bytes(magic[i : i + 4], "big") for i in (4, 8))
        return SampleData(start, None if size >= UNKNOWN else size)
    if magic[:7] == b"NIST_1A":
        return _find_in_nist(magic + stream.read(NIST - len(magic)))
    return None


def _find_in_wav(stream: Readable, outer: int) -> SampleData | None:
    long = None
    for name, start, size in _chunks(stream, "little"):
        if name == b"ds64":
            long = int.from_bytes(stream.read(16)[8:], "little")
        if name == b"data":
            if size == 0xFFFFFFFF and long is not None:
                return SampleData(start, long)
            # A recorder that was stopped left both sizes as they were at the start.
            unknown = size >= UNKNOWN or (size == 0 and not 0 < outer < UNKNOWN)
            return SampleData(start, None if unknown else size)
    return None


def _chunks(
    stream: Readable, order: Literal["little", "big"]
) -> Iterator[tuple[bytes, int, int]]:
    """Give name, first byte and size of each chunk."""
    while len(head := stream.read(8)) == 8:
        start, size = stream.tell(), int.from_bytes(head[4:], order)
        yield head[:4], start, size
        stream.seek(start + size + size % 2)


def _find_in_w64(stream: Readable) -> SampleData | None:
    """Go through chunks of a GUID of 16 bytes and a size that counts its own head."""
    stream.seek(40)  # the outer chunk's head, and the GUID of `wave`
    while len(head := stream.read(24)) == 24:
        start, size = stream.tell(), int.from_bytes(head[16:], "little") - 24
        if size < 0:
            break
        if head[:4] == b"data":
            return SampleData(start, size)
        stream.seek(start + size + -size % 8)
    return None


def _find_in_voc(stream: Readable) -> SampleData | None:
    """Find the first block of samples: its kind is 1 or 9, its size has three bytes."""
    stream.seek(20)
    stream.seek(int.from_bytes(stream.read(2), "little"))
    while len(head := stream.read(4)) == 4:
        start, size = stream.tell(), int.from_bytes(head[1:], "little")
        if head[0] in (1, 9):
            return SampleData(start, size)
        stream.seek(start + size)
    return None


def _find_in_nist(header: bytes) -> SampleData | None:
    numbers = dict(re.findall(rb"^(\w+) -i (\d+)", header, re.MULTILINE))
    coding = re.search(rb"^sample_coding -s\d+ (\S+)", header, re.MULTILINE)
    if coding is not None and b"," in coding[1]:  # compressed
        return None
    try:
        size = int(numbers[b"sample_count"]) * int(numbers[b"sample_n_bytes"])
        return SampleData(NIST, size * int(numbers.get(b"channel_count", 1)))
    except KeyError:
        return None
