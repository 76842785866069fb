"""Products of a matrix of weights with a few columns.

Reading the weights is most of the cost, so that a few columns cost about as much as
one. Libraries differ a lot in how well they do it: MKL's products of few columns are
fast on Intel's processors only, oneDNN's are made for the processor at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from math import gcd

import torch
from torch import Tensor
from torch.nn.functional import conv1d, linear

from espnet_st.kernels.choice import choose, seconds

Product = Callable[[Tensor, Tensor], Tensor]
"""Weights (R, K) times columns (K, n): (R, n)."""

SLABS = 32
"""Parts of the weights that are multiplied on their own, while they are at hand."""


def by_slabs(weight: Tensor, columns: Tensor) -> Tensor:
    """Multiply slab by slab: a batched product."""
    slabs = gcd(SLABS, len(weight))
    parts = weight.view(slabs, -1, weight.shape[1])
    return torch.bmm(parts, columns.expand(slabs, -1, -1)).flatten(0, 1)


def by_convolution(weight: Tensor, columns: Tensor) -> Tensor:
    """Multiply as a convolution of one tap, which goes to oneDNN."""
    return conv1d(columns[None], weight[:, :, None])[0]


def by_rows(weight: Tensor, columns: Tensor) -> Tensor:
    """Multiply as a linear layer does, columns being rows."""
    return linear(columns.t(), weight).t()


def as_it_is(weight: Tensor, columns: Tensor) -> Tensor:
    """Multiply in the type of the weights."""
    return weight @ columns.to(weight.dtype)


PRODUCTS: dict[str, Product] = {
    "slabs": by_slabs,
    "convolution": by_convolution,
    "rows": by_rows,
}
"""Forms of a product in float32."""


def multiply_rows(weight: Tensor, rows: Tensor) -> Tensor:
    """Multiply a few rows by weights in float32, in the form that is fastest here.

    Args:
        weight: (R, K).
        rows: (n, K).

    Returns:
        (n, R), contiguous.
    """
    form = choose_product(weight.shape, weight.device, _power(len(rows)))
    return form(weight, rows.t().contiguous()).t().contiguous()


def _power(count: int) -> int:
    """Find the least power of two from `count` on."""
    return 1 << (count - 1).bit_length()


@lru_cache
def choose_product(shape: torch.Size, device: torch.device, count: int) -> Product:
    """Choose a form of a product, once per process.

    `ESPNET_ST_LINEAR` may name one of `PRODUCTS`.

    Args:
        shape: Of the weights.
        device: Where they are.
        count: Columns.
    """
    weight = torch.zeros(shape, device=device)
    columns = torch.zeros(shape[1], count, device=device)

    def cost(name: str) -> float:
        return seconds(lambda: PRODUCTS[name](weight, columns))

    costs = {name: partial(cost, name) for name in PRODUCTS}
    return PRODUCTS[choose("linear", (shape, count), costs)]
