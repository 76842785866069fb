"""Batching items of like length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def batches(
    items: Sequence[Item],
    size: Callable[[Item], int],
    batch_size: int,
    batch_bins: float = math.inf,
) -> Iterator[list[Item]]:
    """Make batches of items of similar size, the largest first.

    Args:
        items: What to batch.
        size: Length of an item.
        batch_size: Items per batch, at most.
        batch_bins: Sum of lengths per batch, at most, padding included; an item that is
            longer is alone.
    """
    batch: list[Item] = []
    longest = 0
    for item in sorted(items, key=size, reverse=True):
        if len(batch) == batch_size or longest * (len(batch) + 1) > batch_bins:
            yield batch
            batch = []
        longest = longest if batch else size(item)
        batch.append(item)
    if batch:
        yield batch
