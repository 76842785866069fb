"""What scorers of quality share: with the original beside the speech, or without it.

Two signals are cut to the shorter one; nothing else is aligned.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from espnet_st.slmtokbench.scorers.base import (
    QUALITY,
    Item,
    Scorer,
    is_silent,
    require_voice,
)

SAME_LENGTH = 0.8
"""A signal below this share of the other's length is no copy of it."""
DECIMALS = 4


def trim_to_shorter(
    original: np.ndarray, degraded: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cut two signals (N,) to their common length.

    Raises:
        ValueError: They differ in length by more than codecs and vocoders make them,
            or one is silent over the common length: such scores mean nothing.
    """
    length = min(len(original), len(degraded))
    if length < SAME_LENGTH * max(len(original), len(degraded)):
        raise ValueError(
            f"the original has {len(original)} samples and the resynthesis "
            f"{len(degraded)} at the same rate: are they of the same utterance?"
        )
    original, degraded = original[:length], degraded[:length]
    for name, wav in (("original", original), ("resynthesis", degraded)):
        if is_silent(wav):
            raise ValueError(f"the {name} is silent")
    return original, degraded


class QualityScorer(Scorer):
    """Give an item one figure of quality or several."""

    kind = QUALITY

    @classmethod
    def columns(cls, settings: Mapping[str, Any]) -> dict[str, str]:
        """Name the figures that `measure` gives, each with the head of its column."""
        return {cls.name: cls.title}

    @abstractmethod
    def measure(self, item: Item) -> dict[str, float]:
        """Score one file; a value for each of `columns`."""


class ReferenceScorer(QualityScorer):
    """Compare an item's file with its original, both cut to the shorter one."""

    reads_original = True

    def measure(self, item: Item) -> dict[str, float]:
        """Score one file against its original."""
        original, degraded = trim_to_shorter(
            self.read(item.reference), self.read(item.wav)
        )
        return {self.name: round(self.compare(original, degraded), DECIMALS)}

    @abstractmethod
    def compare(self, original: np.ndarray, degraded: np.ndarray) -> float:
        """Score two signals (N,) of equal length at `sample_rate`."""


class OpinionScorer(QualityScorer):
    """Predict what listeners would say (MOS) of speech alone, without the original.

    It applies to recordings, resynthesis, synthesis and conversion alike.
    """

    def measure(self, item: Item) -> dict[str, float]:
        """Score one file."""
        wav = self.read(item.wav)
        require_voice(wav)
        opinions = self.judge(np.clip(wav, -1.0, 1.0))
        return {name: round(value, DECIMALS) for name, value in opinions.items()}

    @abstractmethod
    def judge(self, wav: np.ndarray) -> dict[str, float]:
        """Score speech (N,) within [-1, 1] at `sample_rate`; see `columns`."""
