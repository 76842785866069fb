"""What scorers of quality share: resynthesis against the original.

The two signals are cut to the shorter one; nothing else is aligned.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from espnet_st.slmtokbench.scorers.base import QUALITY, Item, Scorer


def trim_to_shorter(
    original: np.ndarray, degraded: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cut two signals (N,) to their common length.

    Raises:
        ValueError: One is silent over that length: such scores mean nothing.
    """
    length = min(len(original), len(degraded))
    original, degraded = original[:length], degraded[:length]
    for name, wav in (("original", original), ("resynthesis", degraded)):
        if not np.any(wav):
            raise ValueError(f"the {name} is silent")
    return original, degraded


class QualityScorer(Scorer):
    """Compare an item's file with its original, both cut to the shorter one."""

    kind = QUALITY
    reads_original = True

    def measure(self, item: Item) -> float:
        """Score one file against its original."""
        original, degraded = trim_to_shorter(
            self.read(item.reference), self.read(item.wav)
        )
        return round(self.compare(original, degraded), 4)

    @abstractmethod
    def compare(self, original: np.ndarray, degraded: np.ndarray) -> float:
        """Score two signals (N,) of equal length at `sample_rate`."""
