"""The codes of a set of utterances, as every figure of this directory takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CodedSet:
    """Hold codes of utterances, of any rate and any number and size of layers.

    Attributes:
        codes: Utterance id to codes (n_q, T), integers as narrow as the codebooks
            allow: a hundred hours of 8 layers take 0.3 GB.
        codebook_sizes: Entries of each layer's codebook, n_q numbers.
        frame_rate: Frames per second.
    """

    codes: Mapping[str, np.ndarray]
    codebook_sizes: tuple[int, ...]
    frame_rate: float

    @property
    def n_q(self) -> int:
        """Return the number of layers."""
        return len(self.codebook_sizes)

    @classmethod
    def of(
        cls,
        codes: Mapping[str, object],
        codebook_sizes: int | Sequence[int],
        frame_rate: float,
    ) -> CodedSet:
        """Check codes and hold them.

        Args:
            codes: Utterance id to integers (n_q, T), arrays or tensors; (T,) is taken
                as one layer.
            codebook_sizes: Of each layer, or one for all.
            frame_rate: Frames per second.

        Raises:
            ValueError: If there is no utterance, one is empty or has other layers than
                the first, a code is out of range, or a size or the rate is not
                positive.
        """
        if not codes:
            raise ValueError("no utterance has codes: expected a mapping with some")
        rate = float(frame_rate)
        if not (np.isfinite(rate) and rate > 0):
            raise ValueError(f"{frame_rate} frames per second; expected more than 0")
        arrays: dict[str, np.ndarray] = {}
        sizes: tuple[int, ...] = ()
        for key, value in codes.items():
            array = as_codes(key, value)
            if not arrays:
                sizes = _sizes(codebook_sizes, len(array))
                narrow = np.int16 if max(sizes) <= 2**15 else np.int32
            if len(array) != len(sizes):
                raise ValueError(
                    f"codes of {key} have {len(array)} layers, those of "
                    f"{next(iter(arrays))} have {len(sizes)}; expected the same of all"
                )
            bad = (array.min(axis=1) < 0) | (array.max(axis=1) >= np.array(sizes))
            if bad.any():
                layer = int(bad.argmax())
                row = array[layer]
                raise ValueError(
                    f"codes of {key} in layer {layer + 1} lie in [{row.min()}, "
                    f"{row.max()}]; expected [0, {sizes[layer] - 1}]: is that the size "
                    "of this codebook?"
                )
            arrays[key] = array.astype(narrow)
        return cls(arrays, sizes, rate)

    def layer(self, index: int) -> dict[str, np.ndarray]:
        """Return the codes (T,) of one layer, counted from 0, by utterance."""
        return {key: codes[index] for key, codes in self.codes.items()}

    def seconds(self, utterance: str) -> float:
        """Return how long the codes of an utterance last."""
        return self.codes[utterance].shape[1] / self.frame_rate


def _sizes(codebook_sizes: int | Sequence[int], n_q: int) -> tuple[int, ...]:
    """Return the size of each layer's codebook."""
    if isinstance(codebook_sizes, int | np.integer):
        sizes = (int(codebook_sizes),) * n_q
    else:
        sizes = tuple(int(size) for size in codebook_sizes)
    if len(sizes) != n_q or min(sizes) < 1:
        raise ValueError(
            f"codebook sizes {sizes} for codes of {n_q} layers; expected a positive "
            "number for each"
        )
    return sizes


def as_codes(key: str, value: object) -> np.ndarray:
    """Return codes (n_q, T) int64 of what came for an utterance."""
    array = np.asarray(value)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"codes of {key} have shape {array.shape}; expected (n_q, T), not empty"
        )
    if array.dtype.kind not in "iu":
        if array.dtype.kind != "f" or not (array == np.rint(array)).all():
            raise ValueError(f"codes of {key} are no integers ({array.dtype})")
    return array.astype(np.int64)
