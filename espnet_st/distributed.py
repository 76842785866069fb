"""Sums over the processes that train together, for all rooms."""

from __future__ import annotations

import torch
from torch import Tensor


def is_distributed() -> bool:
    """Tell whether several processes train together: a process group is set up."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def all_reduce_sum(x: Tensor) -> Tensor:
    """Sum a tensor over all processes.

    Args:
        x: A tensor of the same shape and type in every process; it stays as it is.

    Returns:
        The sum, the same in every process; `x` itself without a process group.
    """
    if not is_distributed():
        return x
    total = x.clone()
    torch.distributed.all_reduce(total)
    return total
