"""Codes, the currency between all rooms: layouts, checks, archives.

In memory codes are `(n_q, B, T)` int64, one utterance is `(n_q, T)`; on disk an
utterance is a `(T, n_q)` matrix of a Kaldi archive, which stock ESPnet reads as
`kaldi_ark`, or a record of `packed`, which takes a third of that. Only this module
permutes these axes; models do not live here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import kaldiio
import numpy as np
import torch
from kaldiio.matio import read_kaldi
from torch import Tensor

from espnet_st.data.kaldi import read_table
from espnet_st.packed import append_record, read_record

PACKED = "codes.packed"
"""Name of an archive of packed codes."""

MATRIX = b"\0B"
"""What an entry of a Kaldi archive in binary begins with."""


def check_codes(codes: Tensor, codebook_size: int, n_q: int | None = None) -> None:
    """Refuse what is not codes.

    Args:
        codes: Integers of shape (n_q, B, T) or (n_q, T).
        codebook_size: Entries per codebook; codes lie in [0, codebook_size).
        n_q: Expected number of layers, or None to accept any from 1.

    Raises:
        ValueError: If shape, type, number of layers or range is wrong.
    """
    if codes.dim() not in (2, 3):
        raise ValueError(
            f"codes have shape {tuple(codes.shape)}; expected (n_q, B, T) or (n_q, T)"
        )
    if codes.is_floating_point() or codes.dtype == torch.bool:
        raise ValueError(f"codes are {codes.dtype}; expected integers: use .long()")
    if codes.shape[0] == 0 or (n_q is not None and codes.shape[0] != n_q):
        expected = "at least 1" if n_q is None else n_q
        raise ValueError(f"codes have {codes.shape[0]} layers; expected {expected}")
    if codes.numel() and not (0 <= codes.min() and codes.max() < codebook_size):
        raise ValueError(
            f"codes lie in [{codes.min().item()}, {codes.max().item()}]; "
            f"expected [0, {codebook_size - 1}]: do they belong to this model?"
        )


def one_utterance(codes: Tensor | np.ndarray) -> Tensor:
    """Give codes of one utterance the form that this package computes with.

    Args:
        codes: (k, T), or (k, 1, T) as ESPnet's codecs give them; integers of any width,
            a tensor, an array of any layout or what numpy takes for one.

    Returns:
        The same codes (k, T), int64. A tensor of no integers stays as it is, for
        `check_codes` to refuse.

    Raises:
        ValueError: If it is no dense tensor, or an array of no integers.
    """
    if not torch.is_tensor(codes):
        array = np.asarray(codes)
        if array.dtype.kind not in "iu":
            raise ValueError(f"codes are {array.dtype}; expected integers")
        # Not every torch knows numpy's unsigned types, none a foreign byte order.
        codes = torch.from_numpy(np.array(array, np.int64, order="C"))
    if codes.is_quantized or codes.layout is not torch.strided:
        raise ValueError(
            f"codes are a tensor of {codes.dtype}, {codes.layout}; expected a dense one"
        )
    if not (
        codes.is_floating_point() or codes.is_complex() or codes.dtype == torch.bool
    ):
        codes = codes.long()
    return codes.squeeze(1) if codes.dim() == 3 and codes.shape[1] == 1 else codes


def to_disk(codes: Tensor) -> np.ndarray:
    """Turn one utterance (n_q, T) to what an archive holds, (T, n_q) float32."""
    return codes.t().to(torch.float32).cpu().numpy()


def from_disk(array: np.ndarray) -> Tensor:
    """Turn a matrix (T, n_q) of an archive to codes (n_q, T), int64.

    Raises:
        ValueError: If it holds no integers.
    """
    values = np.asarray(array)
    if not (np.isfinite(values) & (values == np.rint(values))).all():
        raise ValueError("a matrix of no integers: these are features and no codes")
    return torch.from_numpy(values.astype(np.int64)).t().contiguous()


def from_feats(feats: Tensor) -> Tensor:
    """Turn ESPnet's padded features (B, T, n_q) of any type to codes (n_q, B, T)."""
    return feats.long().permute(2, 0, 1)


def to_feats(codes: Tensor) -> Tensor:
    """Turn codes (n_q, B, T) to ESPnet's layout of features, (B, T, n_q)."""
    return codes.permute(1, 2, 0)


def batch_first(codes: Tensor) -> Tensor:
    """Turn codes (n_q, B, T) to the layout of `transformers`, (B, n_q, T)."""
    return codes.transpose(0, 1)


def layers_first(codes: Tensor) -> Tensor:
    """Turn codes (B, n_q, T) of `transformers` to ours, (n_q, B, T)."""
    return codes.transpose(0, 1)


def to_flat(codes: Tensor, codebook_size: int) -> Tensor:
    """Turn codes (k, T) to one sequence of ids (k * T,), as ESPnet's asr2 reads them.

    Layers interleave: all of the first frame in order, then all of the second. Code c
    of the q-th row becomes q * codebook_size + c, so that no two layers share an id.

    Raises:
        ValueError: If these are no codes of one utterance, or out of range.
    """
    check_codes(codes, codebook_size)
    if codes.dim() != 2:
        raise ValueError(f"codes have shape {tuple(codes.shape)}; expected (k, T)")
    shifts = codebook_size * torch.arange(len(codes), device=codes.device)
    return (codes + shifts[:, None]).t().reshape(-1)


def from_flat(flat: Tensor, codebook_size: int, n_rows: int) -> Tensor:
    """Turn ids (k * T,) of `to_flat` to codes (k, T), k being `n_rows`.

    Raises:
        ValueError: If a frame is not whole, or its ids are not of the layers in order.
    """
    if len(flat) % n_rows:
        raise ValueError(
            f"{len(flat)} ids; expected a multiple of {n_rows}, the layers"
        )
    rows = flat.reshape(-1, n_rows).t()
    codes = rows - codebook_size * torch.arange(n_rows, device=flat.device)[:, None]
    if codes.numel() and not (0 <= codes.min() and codes.max() < codebook_size):
        raise ValueError(
            f"ids are not of {n_rows} layers of {codebook_size} codes, frame by frame"
        )
    return codes.contiguous()


def pad_codes(
    utterances: Sequence[Tensor],
) -> tuple[Tensor, Tensor]:
    """Batch utterances.

    Args:
        utterances: Codes (n_q, T_i), all with the same n_q.

    Returns:
        Codes (n_q, B, max T_i), zeros where an utterance has ended, and the lengths
        T_i (B,).
    """
    lengths = torch.tensor([codes.shape[1] for codes in utterances])
    batch = utterances[0].new_zeros(
        utterances[0].shape[0], len(utterances), int(lengths.max())
    )
    for index, codes in enumerate(utterances):
        batch[:, index, : codes.shape[1]] = codes
    return batch, lengths


def read_archive(place: str, utterance: str = "an utterance") -> Tensor:
    """Read codes (n_q, T) of an archive, Kaldi's or packed.

    Args:
        place: `archive:offset`.
        utterance: Whose codes they are, for messages.

    Raises:
        ValueError: If the archive is missing, truncated or damaged.
    """
    archive, _, offset = place.rpartition(":")
    if archive.endswith(PACKED):
        return read_record(Path(archive), int(offset))
    try:
        with Path(archive).open("rb") as stream:
            stream.seek(int(offset))
            # kaldiio would run a pickle that it finds there.
            if stream.read(2) != MATRIX:
                raise ValueError("it holds no Kaldi matrix")
            stream.seek(int(offset))
            return from_disk(read_kaldi(stream))
    except (OSError, ValueError, AssertionError, struct.error) as error:
        raise ValueError(
            f"cannot read codes of {utterance} at {place}: {error}"
        ) from error


class CodesReader(Mapping):
    """Reads codes of a `codes.scp`, each when asked for.

    Args:
        scp: Lines of `utterance archive:offset`, of Kaldi or packed archives.

    Raises:
        ValueError: If the file is missing or no table, or a line is not of that form.
    """

    def __init__(self, scp: str | Path) -> None:
        if not Path(scp).is_file():
            raise ValueError(f"no codes at {scp}: tokenize that set first")
        self._places = read_table(scp)
        for utterance, place in self._places.items():
            if not re.fullmatch(r".+:\d+", place):
                raise ValueError(
                    f"{scp}: '{utterance} {place}' is not 'utterance archive:offset'"
                )

    def __getitem__(self, utterance: str) -> Tensor:
        """Read the codes (n_q, T) of an utterance; KeyError if it is not there.

        Raises:
            ValueError: If the archive is missing, truncated or damaged.
        """
        return read_archive(self._places[utterance], utterance)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class CodesWriter:
    """Writes `codes.ark` and a sorted `codes.scp`; continues what it finds.

    Each utterance is in the archive before its line is in the index, so a killed
    run leaves a readable index and `done` tells what need not be made again. That
    nobody else writes there meanwhile is for the caller to see to.

    Args:
        directory: Where both files go; made if missing.
        codebook_size: Entries per codebook, to pack codes into `codes.packed`; None
            for a Kaldi archive.

    Raises:
        ValueError: If what is there is of the other format, or has a key twice.
    """

    def __init__(self, directory: str | Path, codebook_size: int | None = None) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._codebook_size = codebook_size
        self._ark = self._directory / ("codes.ark" if codebook_size is None else PACKED)
        self._scp = self._directory / "codes.scp"
        self.done: set[str] = set()
        if self._scp.is_file():
            lines = self._whole_lines()
            archives = {line.rpartition(":")[0] for line in lines}
            if not all(archive.endswith(self._ark.name) for archive in archives):
                raise ValueError(
                    f"{self._scp} is not of {self._ark.name}: it was written in the "
                    "other format; remove it or choose another directory"
                )
            self._write_index(lines)
            if lines:
                self.done = set(read_table(self._scp))

    def __enter__(self) -> CodesWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._scp.is_file():
            self._write_index(sorted(self._whole_lines()))

    def __setitem__(self, utterance: str, codes: Tensor) -> None:
        """Append the codes (n_q, T) of an utterance.

        Raises:
            ValueError: If it is there already, or a code does not fit the bits.
        """
        if utterance in self.done:
            raise ValueError(f"{utterance} is already in {self._scp}")
        if self._codebook_size is None:
            entry = {utterance: to_disk(codes)}
            kaldiio.save_ark(str(self._ark), entry, scp=str(self._scp), append=True)
        else:
            check_codes(codes, self._codebook_size)
            offset = append_record(self._ark, codes, self._codebook_size)
            with self._scp.open("a", encoding="utf-8") as scp:
                scp.write(f"{utterance} {self._ark}:{offset}\n")
        self.done.add(utterance)

    def _whole_lines(self) -> list[str]:
        lines = self._scp.read_text(encoding="utf-8").splitlines(keepends=True)
        return [line for line in lines if line.endswith("\n")]

    def _write_index(self, lines: Sequence[str]) -> None:
        partial = self._scp.with_suffix(".partial")
        partial.write_text("".join(lines), encoding="utf-8")
        partial.replace(self._scp)
