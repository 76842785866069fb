"""Products of small integers that come out alike beside any others.

torch's own layers for this are leaving PyTorch; what torchao calls in their place is
used here directly, for its eager form takes twice the time on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor

from espnet_st.kernels.choice import choose, seconds

ROWS, WEIGHTS = 127, 63
"""Largest integers. Processors without instructions for integers add up pairs of
products in 16 bits, where (127 + 128) * 63 * 2 fits, and cut off what does not."""
BLOCK = 32
"""Values that `by_halves` reads at once; it reads beyond the ends of shorter rows."""


def to_integers(x: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Round rows to integers.

    Args:
        x: (n, K).
        most: Largest integer: `ROWS` or `WEIGHTS`.

    Returns:
        Integers (n, K) int8, and what 1 stands for in each row (n, 1).
    """
    scale = x.abs().amax(1, keepdim=True).clamp_min_(1e-30).div_(most)
    return (x / scale).round_().to(torch.int8), scale


def by_integers(rows: Tensor, weight: Tensor) -> Tensor:
    """Multiply exactly: integers times integers."""
    return torch._int_mm(rows, weight.t()).float()


def by_halves(rows: Tensor, weight: Tensor) -> Tensor:
    """Multiply in float32, rounded to bfloat16; quick for one row everywhere.

    Both sizes of the weights must be multiples of `BLOCK`.
    """
    ones = torch.ones(len(weight), dtype=torch.bfloat16)
    return torch._weight_int8pack_mm(rows.bfloat16(), weight, ones).float()


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "integers": by_integers,
    "halves": by_halves,
}
"""Ways to multiply. In both, what a row becomes depends on no other."""


def multiply_integers(rows: Tensor, weight: Tensor) -> Tensor:
    """Multiply rows by weights of integers, in the way that is fastest here.

    One way is taken for any number of rows. `ESPNET_ST_INT8` may name one of `WAYS`.

    Args:
        rows: (n, K) int8, up to `ROWS`.
        weight: (R, K) int8, up to `WEIGHTS`.

    Returns:
        (n, R) float32.
    """
    return WAYS[_choose_way(weight.shape)](rows, weight)


@lru_cache
def _choose_way(shape: torch.Size) -> str:
    """Choose for one row and for eight alike, once per process."""
    weight = torch.zeros(shape, dtype=torch.int8)
    rows = torch.zeros(8, shape[1], dtype=torch.int8)

    def cost(name: str) -> float:
        some = (partial(WAYS[name], part, weight) for part in (rows[:1], rows))
        one, eight = map(seconds, some)
        return one * eight

    names = [n for n in WAYS if n == "integers" or not any(s % BLOCK for s in shape)]
    return choose("int8", shape, {name: partial(cost, name) for name in names})
