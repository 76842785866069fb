"""What the processes of a distributed run do together.

Without a process group each function is the identity, so that models need not ask.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.nn.functional import pad


def is_distributed() -> bool:
    """Tell whether this process belongs to a group."""
    return distributed.is_available() and distributed.is_initialized()


def all_reduce_sum(x: Tensor) -> Tensor:
    """Add up a tensor over all processes; no gradient passes.

    Args:
        x: Of the same shape in each process; it stays as it is.
    """
    if not is_distributed():
        return x
    total = x.detach().clone()
    distributed.all_reduce(total)
    return total


def all_finite(x: Tensor) -> bool:
    """Tell whether a tensor is finite, in each process."""
    return not all_reduce_sum((~x.isfinite()).any().float())


def gather_rows(x: Tensor) -> Tensor:
    """Gather the rows of all processes, in the order of their ranks.

    Args:
        x: (N, D); N may differ among the processes.

    Returns:
        (sum of N, D); `x` itself in a run of one process.
    """
    if not is_distributed():
        return x
    size = torch.tensor([x.shape[0]], device=x.device)
    sizes = [torch.empty_like(size) for _ in range(distributed.get_world_size())]
    distributed.all_gather(sizes, size)
    longest = int(torch.stack(sizes).max())
    padded = pad(x, (0, 0, 0, longest - x.shape[0])).contiguous()
    rows = [torch.empty_like(padded) for _ in sizes]
    distributed.all_gather(rows, padded)
    return torch.cat([part[: int(count)] for part, count in zip(rows, sizes)])


def broadcast_first(x: Tensor) -> Tensor:
    """Give every process the tensor of the first one.

    Args:
        x: Of the same shape in each process; it is overwritten.

    Returns:
        `x`.
    """
    if is_distributed():
        distributed.broadcast(x, src=0)
    return x
