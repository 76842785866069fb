"""Codes as numpy files, `(n_q, T)` as `AudioCoding` gives and takes them.

Archives of many utterances are in `codes`; here is one file for each, and what tells
the one and the other from audio.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from torch import Tensor

from espnet_st.codes import MATRIX, one_utterance, read_archive
from espnet_st.data.files import write_whole
from espnet_st.data.kaldi import file_of_key
from espnet_st.packed import MAGIC

NUMPY = b"\x93NUMPY"
"""What a numpy file begins with."""


def codes_bytes(codes: Tensor, codebook_size: int) -> bytes:
    """Make a numpy file of codes (n_q, T): int16, or int32 for large codebooks."""
    kind = np.int16 if codebook_size <= 2**15 else np.int32
    file = io.BytesIO()
    np.save(file, codes.cpu().numpy().astype(kind))
    return file.getvalue()


def holds_codes(source: str) -> bool:
    """Tell whether a source holds codes: a numpy file, or an entry of an archive.

    Args:
        source: A file, `archive:offset` or a command; what cannot be read holds none.
    """
    archive, offset = _split(source)
    try:
        with archive.open("rb") as stream:
            stream.seek(offset)
            return stream.read(len(NUMPY)).startswith((NUMPY, MATRIX, MAGIC))
    except OSError:
        return False


def read_codes(source: str) -> Tensor:
    """Read codes (n_q, T) int64 of a numpy file or an entry of an archive.

    Raises:
        ValueError: If there are none.
    """
    archive, _ = _split(source)
    if str(archive) != source:
        return read_archive(source)
    try:
        codes = one_utterance(np.load(source, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"cannot read codes {source}: {error}") from error
    if codes.dim() != 2 or 0 in codes.shape:
        raise ValueError(
            f"codes {source} have shape {tuple(codes.shape)}; expected (n_q, T), not "
            "empty"
        )
    return codes


def _split(source: str) -> tuple[Path, int]:
    place = re.fullmatch(r"(.+):(\d+)", source)
    if place and not Path(source).exists():
        return Path(place[1]), int(place[2])
    return Path(source), 0


class ArrayWriter:
    """Writes `KEY.npy` of each utterance into a directory; keeps what it finds.

    Args:
        directory: Where files go.
        keys: The utterances that there will be.
        codebook_size: Entries per codebook.

    Raises:
        ValueError: If a key leads out of the directory.
    """

    def __init__(
        self, directory: str | Path, keys: Iterable[str], codebook_size: int
    ) -> None:
        self._paths = {key: file_of_key(directory, key, ".npy") for key in keys}
        self._codebook_size = codebook_size
        self.done = {key for key, path in self._paths.items() if path.is_file()}

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave it as it is: each file is whole already."""

    def __setitem__(self, utterance: str, codes: Tensor) -> None:
        """Write the codes (n_q, T) of an utterance."""
        content = codes_bytes(codes, self._codebook_size)
        write_whole(self._paths[utterance], content)
        self.done.add(utterance)
