"""Reading codes that anybody has: tables, archives, text, directories of arrays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_st.codes import read_archive
from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.tokens.coded_set import as_codes

Codes = dict[str, np.ndarray]
"""Utterance id to codes (n_q, T) int64."""
ARRAYS = (".npy", ".pt", ".pth")
NAMES = ("codes", "audio_codes", "units")
"""Keys under which a file of torch may hold codes."""


def read_codes(source: str | Path | Mapping[str, Any]) -> tuple[Codes, dict[str, str]]:
    """Read codes of all utterances.

    Args:
        source: One of these, or a mapping of utterance ids to codes (n_q, T) or (T,):

            - `codes.scp`: lines `utterance archive:offset`, of Kaldi matrices (T, n_q)
              or vectors (T,), or of `codes.packed`; or lines `utterance file` with a
              file of an array;
            - a text file of units: `utterance 5 6 7`, or with the layers of each frame
              between commas, `utterance 5,901 6,17`;
            - a directory with a `codes.scp`, or with files `.npy` or `.pt`, whose
              names without the ending are the ids: (n_q, T) or (T,), a third axis of
              length 1 does not matter. If all files agree in their second axis and not
              in their first, they are (T, n_q).

    Returns:
        The codes; and utterances that could not be read, with why.

    Raises:
        ValueError: If there is no such source, or nothing in it could be read.
    """
    loaders: dict[str, Callable[[], np.ndarray]]
    if isinstance(source, Mapping):
        loaders = {key: partial(_squeezed, value) for key, value in source.items()}
        return _read_all(loaders, "the codes", arrays=False)
    path = Path(source)
    if path.is_dir():
        if (path / "codes.scp").is_file():
            return read_codes(path / "codes.scp")
        files = {str(f.relative_to(path).with_suffix("")): f for f in _arrays(path)}
        loaders = {key: partial(_read_array, file) for key, file in files.items()}
        return _read_all(loaders, str(path), arrays=True)
    if not path.is_file():
        raise ValueError(
            f"no codes at {path}: expected a codes.scp, a text file of units or a "
            "directory of .npy or .pt files"
        )
    if path.suffix in ARRAYS:
        raise ValueError(f"{path} is one array: give the directory that holds it")
    table = read_table(path, allow_empty=True)
    loaders = {key: _loader(key, value) for key, value in table.items()}
    with_arrays = any(value.endswith(ARRAYS) for value in table.values())
    return _read_all(loaders, str(path), arrays=with_arrays)


def _arrays(directory: Path) -> Iterator[Path]:
    for file in sorted(directory.rglob("*")):
        if file.suffix in ARRAYS and file.name != "codebooks.npy":
            yield file


def _loader(key: str, value: str) -> Callable[[], np.ndarray]:
    """Choose how to read the value of a line."""
    if re.fullmatch(r".+:\d+", value):
        return lambda: read_archive(value, key).numpy()
    if value.endswith(ARRAYS):
        return partial(_read_array, Path(value))
    return partial(_read_units, value)


def _read_units(text: str) -> np.ndarray:
    """Read units `5 6 7`, or frames `5,901 6,17`, as (n_q, T)."""
    frames = [frame.split(",") for frame in text.split()]
    if not frames:
        raise ValueError("no unit after the id")
    if len({len(frame) for frame in frames}) != 1:
        raise ValueError("frames have different numbers of layers")
    try:
        return np.array([[int(unit) for unit in frame] for frame in frames]).T
    except ValueError:
        raise ValueError(f"{text[:30]!r} are no integers") from None


def _read_array(path: Path) -> np.ndarray:
    """Read a file of numpy or torch."""
    try:
        if path.suffix == ".npy":
            return _squeezed(np.load(path, allow_pickle=False))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes a reader raise
        raise ValueError(f"cannot read {path}: {error}") from error
    if isinstance(content, dict):
        found = [content[name] for name in NAMES if name in content]
        if not found:
            raise ValueError(f"{path} has none of the keys {', '.join(NAMES)}")
        content = found[0]
    return _squeezed(content)


def _squeezed(value: Any) -> np.ndarray:
    """Take out axes of length 1 where there are more than two."""
    array = np.asarray(value)
    for axis in range(array.ndim - 1, -1, -1):
        if array.ndim > 2 and array.shape[axis] == 1:
            array = array.squeeze(axis)
    return array


def _read_all(
    loaders: Mapping[str, Callable[[], np.ndarray]], where: str, arrays: bool
) -> tuple[Codes, dict[str, str]]:
    codes: Codes = {}
    failed: dict[str, str] = {}
    for key, load in loaders.items():
        try:
            codes[key] = as_codes(key, load())
        except ValueError as error:
            failed[key] = str(error)
    if not codes:
        reason = next(iter(failed.values()), "nothing is there")
        raise ValueError(f"{where} holds no codes that can be read: {reason}")
    if arrays:
        first, second = ({c.shape[axis] for c in codes.values()} for axis in (0, 1))
        if len(first) > 1 and len(second) == 1:
            codes = {key: value.T for key, value in codes.items()}
    layers = [len(value) for value in codes.values()]
    usual = max(sorted(set(layers)), key=layers.count)
    for key, value in list(codes.items()):
        if len(value) != usual:
            failed[key] = f"{len(value)} layers of codes; most have {usual}"
            del codes[key]
    return codes, failed


def read_embeddings(path: str | Path) -> list[np.ndarray]:
    """Read the vectors (codebook_size, D) of each layer.

    Args:
        path: `.npy` of (n_q, codebook_size, D) or (codebook_size, D), or `.npz` with
            an array of each layer, by their order; their sizes may differ.

    Raises:
        ValueError: If the file cannot be read or holds something else.
    """
    try:
        content = np.load(path, allow_pickle=False)
        arrays = [content[k] for k in content] if hasattr(content, "files") else content
    except Exception as error:  # whatever a damaged file makes a reader raise
        raise ValueError(f"cannot read embeddings {path}: {error}") from error
    if isinstance(arrays, np.ndarray) and arrays.ndim == 2:
        arrays = [arrays]
    books = [np.asarray(book) for book in arrays]
    widths = {book.shape[-1] for book in books if book.ndim == 2}
    finite = all(book.dtype.kind == "f" and np.isfinite(book).all() for book in books)
    if not finite or len(widths) != 1 or any(book.ndim != 2 for book in books):
        shapes = [tuple(book.shape) for book in books]
        raise ValueError(
            f"{path} holds arrays of shapes {shapes}; expected finite floats "
            "(codebook_size, D) for each layer, with one D"
        )
    return [book.astype(np.float32) for book in books]
