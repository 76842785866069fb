"""Measures items one by one, with one scorer at a time in memory, and names failures.

This is what a process does, see `workers`; what is to do is the business of `scoring`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch

from espnet_st.slmtokbench.scorers.base import Item, NotScored, Scorer


@dataclass(frozen=True)
class Task:
    """Name an item of a condition, and what is to measure it."""

    scorer: type[Scorer]
    condition: str
    item: Item


class Result(Enum):
    """Tell what came of a task."""

    VALUE = "value"
    FAILED = "failed"
    """The item has no value, and would have none if it were tried again."""
    LOST = "lost"
    """It has none this time: its process died, or it took too long."""
    MISSING = "missing"
    """The scorer cannot run here."""


@dataclass(frozen=True)
class Outcome:
    """Hold the result of a task.

    Attributes:
        result: What came of it.
        content: The value (JSON types), or the reason why there is none.
    """

    result: Result
    content: Any


class Measurer:
    """Build scorers as they come, one at a time, and measure with them.

    Args:
        settings: Of all scorers.
    """

    def __init__(self, settings: Mapping[str, Any]):
        self.settings = settings
        self.scorer: Scorer | None = None

    def build(self, scorer: type[Scorer]) -> Outcome | None:
        """Build a scorer, if it is another than the last; say why if it cannot."""
        if type(self.scorer) is scorer:
            return None
        self.scorer = None  # its memory is the next one's
        try:
            self.scorer = scorer(self.settings)
        except NotScored as reason:
            return Outcome(Result.MISSING, str(reason))
        return None

    def measure(self, item: Item) -> Outcome:
        """Measure an item with the scorer that was built."""
        assert self.scorer is not None, "build a scorer first"
        try:
            value = self.scorer.measure(item)
        except (MemoryError, torch.cuda.OutOfMemoryError) as error:
            return Outcome(Result.LOST, f"out of memory: {error}")
        except (ValueError, RuntimeError) as error:
            return Outcome(Result.FAILED, str(error) or type(error).__name__)
        if not is_finite(value):
            reason = f"{self.scorer.name} gave {value}, which is not finite"
            return Outcome(Result.FAILED, reason)
        return Outcome(Result.VALUE, value)


def is_finite(value: Any) -> bool:
    """Tell whether a value (JSON types) holds neither NaN nor infinity."""
    if isinstance(value, Mapping):
        return all(map(is_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
