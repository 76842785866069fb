"""Balanced orders: which sound a rater hears when, and behind which button.

With K systems, K raters in a row hear each system once at every place. Neighbours are
balanced as in E. J. Williams' designs ("Experimental designs balanced for the
estimation of residual effects of treatments", 1949): each system follows each other
equally often, among those K raters for even K, among 2 K for odd K.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

Order = list[list[int]]
"""Trials in their order; a trial is indices of sounds, as their buttons stand."""


def zigzag(count: int) -> list[int]:
    """Give 0, 1, count - 1, 2, count - 2, ...: neighbours differ by all amounts."""
    low, high, found = 1, count - 1, [0]
    while len(found) < count:
        found.append(low)
        low += 1
        if len(found) < count:
            found.append(high)
            high -= 1
    return found


def rater_rows(n_systems: int) -> int:
    """Say after how many raters the orders of systems come again: 24 at least."""
    cycle = 2 * n_systems
    return cycle * -(-24 // cycle)


def _system(rater: int, n_systems: int, turn: int, place: int) -> int:
    """Choose the system that a rater hears at a place (0 to K - 1) of a turn."""
    sign = -1 if (rater // n_systems) % 2 else 1
    return (rater + turn + sign * zigzag(n_systems)[place]) % n_systems


def mushra_order(rater: int, n_items: int, n_systems: int, seed: int) -> Order:
    """Order a rater's trials, each with all systems of an item.

    Args:
        rater: Number of the rater, from 0.
        n_items: Trials.
        n_systems: Sounds of a trial.
        seed: Of the order of items, which each rater gets another of.

    Returns:
        Trials of indices `item * n_systems + system`.
    """
    items = _shuffled(n_items, seed, rater)
    return [
        [
            item * n_systems + _system(rater, n_systems, turn, place)
            for place in range(n_systems)
        ]
        for turn, item in enumerate(items)
    ]


def single_order(rater: int, n_items: int, n_systems: int, seed: int) -> Order:
    """Order a rater's trials of one sound each, all items by all systems.

    The items come K times in the same order, each time with other systems, so what one
    hears of an item lies as far apart as it can, and every stretch of K trials has
    every system once.

    Args:
        rater: See `mushra_order`.
        n_items: Items.
        n_systems: Systems.
        seed: See `mushra_order`.

    Returns:
        Trials of one index `item * n_systems + system` each.
    """
    items = _shuffled(n_items, seed, rater)
    return [
        [item * n_systems + _system(rater, n_systems, repeat, slot % n_systems)]
        for repeat in range(n_systems)
        for slot, item in enumerate(items)
    ]


def _shuffled(count: int, seed: int, rater: int) -> Sequence[int]:
    items = list(range(count))
    random.Random(f"{seed} {rater}").shuffle(items)
    return items
