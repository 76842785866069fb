"""Products of a matrix of weights with a few columns.

Reading the weights is most of the cost, so that a few columns cost about as much as
one. Libraries differ a lot in how well they do it: MKL's products of few columns are
fast on Intel's processors only, oneDNN's are made for the processor at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

import torch
from torch import Tensor
from torch.nn.functional import conv1d, linear

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
