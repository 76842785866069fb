"""What every adapter has: rates, sizes, waveforms to codes, and maybe back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

ADAPTERS: dict[str, type[Adapter]] = {}
"""Adapters by name, as their modules are imported."""


class Adapter(ABC):
    """A tokenizer, and its decoder if it has one.

    A member is one file of this package: a subclass with a `name`, that is known by it
    as soon as its module is imported.

    Args:
        source: What holds the model.
        device: Where to run.

    Attributes:
        name: Of the adapter, as `--adapter` takes it.
        describes: What sources it takes, for messages.
    """

    name: ClassVar[str] = ""
    describes: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        """Register what has a name."""
        if cls.name:
            ADAPTERS[cls.name] = cls

    def __init__(self, source: str, device: str = "cpu"):
        self.source, self.device = source, device

    @classmethod
    @abstractmethod
    def recognizes(cls, source: Path) -> bool:
        """Tell by its configuration whether a source is this adapter's."""

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Sample rate in Hz of the model."""

    @property
    @abstractmethod
    def hop_length(self) -> int:
        """Samples per frame."""

    @property
    @abstractmethod
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each layer's codebook."""

    @property
    def codebooks(self) -> list[np.ndarray] | None:
        """Vectors (codebook_size, D) of each layer, which add up; None without any."""
        return None

    @property
    def n_q(self) -> int:
        """Layers of codes."""
        return len(self.codebook_sizes)

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    @abstractmethod
    def encode(
        self,
        wavs: Sequence[np.ndarray | Tensor],
        sample_rate: int | None = None,
    ) -> list[Tensor]:
        """Encode waveforms, each with the same codes as alone.

        Args:
            wavs: Each (N_i,), or with a second axis of channels, which are averaged.
            sample_rate: Hz of all of them; the model's by default. Another rate is
                resampled.

        Returns:
            For each codes (n_q, T_i) int64.
        """

    def decode(self, codes: Sequence[np.ndarray | Tensor]) -> list[Tensor]:
        """Decode codes of the first layers.

        Args:
            codes: Each (k, T_i), k from 1 to n_q.

        Returns:
            For each (T_i * hop_length,) float32 at `sample_rate`.

        Raises:
            ValueError: If it has no decoder, or codes are not of its first layers.
        """
        raise ValueError(f"{self.name} of {self.source} has no decoder: codes alone")


def fit_length(wav: Tensor, length: int) -> Tensor:
    """Cut a waveform (N,) to a length, or fill it up with silence."""
    missing = max(0, length - len(wav))
    return torch.nn.functional.pad(wav[:length], (0, missing))
