"""One codebook of the quantizer, kept by moving averages (section 3.1).

In a distributed run all processes have the same codebook: they add up their statistics
and draw from the vectors of all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espnet_st.distributed import all_reduce_sum, broadcast_first, gather_rows


def sample_rows(x: Tensor, count: int) -> Tensor:
    """Draw `count` random rows of `x` (N, D), each once where N allows it."""
    if x.shape[0] >= count:
        return x[torch.randperm(x.shape[0], device=x.device)[:count]]
    return x[torch.randint(x.shape[0], (count,), device=x.device)]


def nearest(x: Tensor, entries: Tensor) -> Tensor:
    """Find the entry (of K, D) nearest to each row of `x` (N, D): indices (N,)."""
    # argmin |x - e|^2 = argmax x.e - |e|^2 / 2
    offset = -0.5 * entries.square().sum(1)
    # In half precision neighbouring entries could not be told apart.
    with torch.autocast(x.device.type, enabled=False):
        return torch.addmm(offset, x.to(entries.dtype), entries.t()).argmax(1)


def totals(x: Tensor, index: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Count the rows of each index (size,), and sum them (size, D)."""
    sums = x.new_zeros(size, x.shape[1]).index_add_(0, index, x)
    counts = x.new_zeros(size).index_add_(0, index, x.new_ones(len(index)))
    return counts, sums


def kmeans(x: Tensor, clusters: int, iterations: int) -> tuple[Tensor, Tensor]:
    """Cluster by Lloyd's algorithm from random rows.

    Args:
        x: (N, D).
        clusters: K.
        iterations: Rounds.

    Returns:
        Means (K, D) and how many rows each has (K,); an empty cluster keeps its mean.
    """
    means = sample_rows(x, clusters)
    counts = x.new_zeros(clusters)
    for _ in range(iterations):
        counts, sums = totals(x, nearest(x, means), clusters)
        means = torch.where(
            counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], means
        )
    return means, counts


class Codebook(nn.Module):
    """One layer: entries that follow the vectors they win.

    Args:
        codebook_size: Entries, K.
        dimension: D.
        decay: Of the moving averages.
        kmeans_iterations: Rounds on the first batch, which sets the entries.
        dead_code_threshold: An entry that wins fewer vectors per batch than this, on
            average, is replaced by a vector of the batch; 0 to keep all.
    """

    initialised: Tensor
    counts: Tensor
    sums: Tensor
    entries: Tensor

    def __init__(
        self,
        codebook_size: int,
        dimension: int,
        decay: float,
        kmeans_iterations: int,
        dead_code_threshold: float,
    ):
        super().__init__()
        self.decay = decay
        self.kmeans_iterations = kmeans_iterations
        self.dead_code_threshold = dead_code_threshold
        self._ready = False  # what `initialised` says, without asking the device
        self.register_buffer("initialised", torch.zeros(1))
        self.register_buffer("counts", torch.zeros(codebook_size))
        self.register_buffer("sums", torch.zeros(codebook_size, dimension))
        self.register_buffer("entries", torch.zeros(codebook_size, dimension))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set the entries, once, by k-means over the rows `x` (N, D) of all processes.

        The first process draws the random start for all.
        """
        self._ready = self._ready or bool(self.initialised)
        if self._ready:
            return
        x = gather_rows(x)
        # A small batch would be learnt by heart, and leave nothing for the next layer:
        # as many entries as it can place, the others are dead and revive later.
        clusters = min(self.counts.numel(), max(x.shape[0] // 8, 1))
        means, counts = kmeans(x, clusters, self.kmeans_iterations)
        spare = self.counts.numel() - clusters
        means = torch.cat([means, means[:1].expand(spare, -1)])
        counts = torch.cat([counts, counts.new_zeros(spare)])
        means, counts = broadcast_first(means), broadcast_first(counts)
        self.entries.copy_(means)
        self.counts.copy_(counts)
        self.sums.copy_(means * counts[:, None])
        self.initialised.fill_(1)
        self._ready = True

    @torch.no_grad()
    def update(self, x: Tensor, index: Tensor) -> None:
        """Move the averages towards the rows of `x` (N, D) that each entry won (N,).

        Processes of a distributed run add up what their entries won.
        """
        counts, sums = totals(x, index, self.counts.numel())
        self.counts.lerp_(all_reduce_sum(counts), 1 - self.decay)
        self.sums.lerp_(all_reduce_sum(sums), 1 - self.decay)
        self.revive(x)
        smoothed = self.counts + 1e-5
        smoothed *= self.counts.sum() / smoothed.sum()
        torch.div(self.sums, smoothed[:, None], out=self.entries)

    def is_dead(self) -> Tensor:
        """Tell which entries win too little to be kept (K,); none at a threshold of 0.

        The counts are the same in all processes.
        """
        return self.counts < self.dead_code_threshold

    def revive(self, x: Tensor) -> None:
        """Give dead entries a row of all processes' `x` (N, D), in the running sums.

        A seed starts with the count of even use, else the next update undoes it.
        """
        if self.dead_code_threshold <= 0:
            return
        dead = self.is_dead().nonzero()[:, 0]
        if not len(dead):
            return
        x = gather_rows(x)
        start = max(self.dead_code_threshold, x.shape[0] / self.counts.numel())
        seeds = broadcast_first(sample_rows(x, len(dead)))
        self.counts[dead] = start
        self.sums[dead] = seeds * start
