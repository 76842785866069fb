"""Packing codes at the bits that they need, in records that check themselves.

An archive is records one after the other, each found by its offset in `codes.scp`:

| bytes | what, little-endian                                              |
|-------|------------------------------------------------------------------|
| 4     | `STC1`                                                           |
| 2     | bits per code                                                    |
| 2     | n_q                                                              |
| 4     | T                                                                |
| 4     | CRC-32 of the 8 bytes before and of the codes' bytes             |
| rest  | codes (n_q, T) row by row, lowest bit first, zeros to a full byte |
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

MAGIC = b"STC1"
SHAPE = struct.Struct("<HHI")
CHECK = struct.Struct("<I")
HEADER = len(MAGIC) + SHAPE.size + CHECK.size


def bits_of(codebook_size: int) -> int:
    """Count the bits that hold any of `codebook_size` codes: ceil(log2), at least 1."""
    return max((codebook_size - 1).bit_length(), 1)


def append_record(archive: Path, codes: Tensor, codebook_size: int) -> int:
    """Write codes (n_q, T), each below `codebook_size`, to the end of an archive.

    Returns:
        Where the record begins, in bytes.
    """
    bits = bits_of(codebook_size)
    flat = codes.reshape(-1, 1).cpu().numpy()
    ones = (flat >> np.arange(bits) & 1).astype(np.uint8)  # (n_q * T, bits)
    payload = np.packbits(ones, bitorder="little").tobytes()
    shape = SHAPE.pack(bits, *codes.shape)
    check = CHECK.pack(zlib.crc32(payload, zlib.crc32(shape)))
    with archive.open("ab") as stream:
        offset = stream.tell()
        stream.write(MAGIC + shape + check + payload)
    return offset


def read_record(archive: Path, offset: int) -> Tensor:
    """Read codes (n_q, T) int64 of the record that begins at `offset`.

    Raises:
        ValueError: If there is none, or it is truncated or damaged.
    """
    where = f"{archive}:{offset}"
    try:
        with archive.open("rb") as stream:
            left = stream.seek(0, 2) - offset - HEADER
            stream.seek(offset)
            header = stream.read(HEADER)
            if header[: len(MAGIC)] != MAGIC[: len(header)]:
                raise ValueError(
                    f"{where} holds no packed codes: is codes.scp of another archive?"
                )
            if left < 0:
                raise ValueError(f"{where} is truncated: its header is not whole")
            shape, check = header[len(MAGIC) : -CHECK.size], header[-CHECK.size :]
            bits, n_q, n_frames = SHAPE.unpack(shape)
            size = -(-bits * n_q * n_frames // 8)
            if left < size:
                raise ValueError(
                    f"{where} is truncated: {left} bytes of {size} are there"
                )
            payload = stream.read(size)
    except OSError as error:
        raise ValueError(f"cannot read {where}: {error}") from error
    if zlib.crc32(payload, zlib.crc32(shape)) != CHECK.unpack(check)[0]:
        raise ValueError(f"{where} is damaged: its checksum is wrong; tokenize again")
    ones = np.unpackbits(
        np.frombuffer(payload, np.uint8), count=bits * n_q * n_frames, bitorder="little"
    )
    values = ones.reshape(-1, bits).astype(np.int64) @ (1 << np.arange(bits))
    return torch.from_numpy(values.reshape(n_q, n_frames))
