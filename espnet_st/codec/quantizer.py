"""Residual vector quantizer with codebooks kept by moving averages (section 3.1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, mse_loss


class Quantized(NamedTuple):
    """What one pass through the quantizer gives.

    Attributes:
        sum: Sum of the layers' outputs (B, D, T), straight-through to the input.
        first: Output of the first layer (B, D, T), straight-through to the input.
        codes: (n_q, B, T).
        commitment: Sum over layers of the mean squared distance between a layer's
            input and its output, scalar.
    """

    sum: Tensor
    first: Tensor
    codes: Tensor
    commitment: Tensor


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def all_finite(x: Tensor) -> bool:
    """Whether `x` is finite, in each process of a distributed run."""
    finite = x.isfinite().all().float()
    if _distributed():
        torch.distributed.all_reduce(finite, torch.distributed.ReduceOp.MIN)
    return bool(finite)


def sample_rows(x: Tensor, count: int) -> Tensor:
    """`count` random rows of `x` (N, D), each once where N allows it."""
    if x.shape[0] >= count:
        return x[torch.randperm(x.shape[0], device=x.device)[:count]]
    return x[torch.randint(x.shape[0], (count,), device=x.device)]


def nearest(x: Tensor, entries: Tensor) -> Tensor:
    """Index (N,) of the entry (of K, D) nearest to each row of `x` (N, D)."""
    # argmin |x - e|^2 = argmax x.e - |e|^2 / 2
    offset = -0.5 * entries.square().sum(1)
    # In half precision neighbouring entries could not be told apart.
    with torch.autocast(x.device.type, enabled=False):
        return torch.addmm(offset, x.to(entries.dtype), entries.t()).argmax(1)


def totals(x: Tensor, index: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Rows per index (size,) and their sums (size, D)."""
    sums = x.new_zeros(size, x.shape[1]).index_add_(0, index, x)
    return torch.bincount(index, minlength=size).to(x.dtype), sums


def kmeans(x: Tensor, clusters: int, iterations: int) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm from random rows.

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
        self.register_buffer("initialised", torch.zeros(1))
        self.register_buffer("counts", torch.zeros(codebook_size))
        self.register_buffer("sums", torch.zeros(codebook_size, dimension))
        self.register_buffer("entries", torch.zeros(codebook_size, dimension))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set the entries by k-means over `x` (N, D), the first process's for all."""
        # A small batch would be learnt by heart, and leave nothing for the next layer:
        # as many entries as it can place, the others are dead and revive later.
        clusters = min(self.counts.numel(), max(x.shape[0] // 8, 1))
        means, counts = kmeans(x, clusters, self.kmeans_iterations)
        spare = self.counts.numel() - clusters
        means = torch.cat([means, means[:1].expand(spare, -1)])
        counts = torch.cat([counts, counts.new_zeros(spare)])
        if _distributed():
            torch.distributed.broadcast(means, src=0)
            torch.distributed.broadcast(counts, src=0)
        self.entries.copy_(means)
        self.counts.copy_(counts)
        self.sums.copy_(means * counts[:, None])
        self.initialised.fill_(1)

    @torch.no_grad()
    def update(self, x: Tensor, index: Tensor) -> None:
        """Move the averages towards the rows of `x` (N, D) that each entry won (N,).

        Processes of a distributed run add up what their entries won.
        """
        counts, sums = totals(x, index, self.counts.numel())
        if _distributed():
            torch.distributed.all_reduce(counts)
            torch.distributed.all_reduce(sums)
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        self.revive(x)
        smoothed = self.counts + 1e-5
        smoothed *= self.counts.sum() / smoothed.sum()
        self.entries.copy_(self.sums / smoothed[:, None])

    def revive(self, x: Tensor) -> None:
        """Give dead entries a row of `x` (N, D), in the running sums too.

        A seed starts with the count of even use, else the next update undoes it.
        """
        dead = self.counts < self.dead_code_threshold
        start = max(self.dead_code_threshold, x.shape[0] / dead.numel())
        seeds = sample_rows(x, dead.numel())
        if _distributed():
            torch.distributed.broadcast(seeds, src=0)
        self.counts.masked_fill_(dead, start)
        self.sums.copy_(torch.where(dead[:, None], seeds * start, self.sums))


class ResidualVectorQuantizer(nn.Module):
    """`n_q` codebooks, each quantizing what the ones before left over.

    Args:
        dimension: Channels of a latent frame, D.
        n_q: Layers.
        codebook_size: Entries per layer.
        decay: Of the moving averages.
        kmeans_iterations: Rounds that set a codebook on the first batch.
        dead_code_threshold: See `Codebook`; in vectors per batch.
    """

    def __init__(
        self,
        dimension: int,
        n_q: int = 8,
        codebook_size: int = 1024,
        decay: float = 0.99,
        kmeans_iterations: int = 50,
        dead_code_threshold: float = 2.0,
    ):
        super().__init__()
        self.n_q = n_q
        self.codebook_size = codebook_size
        self.layers = nn.ModuleList(
            Codebook(
                codebook_size, dimension, decay, kmeans_iterations, dead_code_threshold
            )
            for _ in range(n_q)
        )

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize, and in training update the codebooks, unless a value is not finite.

        Args:
            latent: (B, D, T).
        """
        batch, dimension, _ = latent.shape
        rows = latent.transpose(1, 2).reshape(-1, dimension).float()  # (B * T, D)
        learning = self.training and all_finite(rows)
        residual = rows
        outputs, codes, commitment = [], [], rows.new_zeros(())
        for codebook in self.layers:
            vectors = residual.detach()
            if learning and not codebook.initialised:
                codebook.initialise(vectors)
            index = nearest(vectors, codebook.entries)
            output = embedding(index, codebook.entries)
            commitment = commitment + mse_loss(residual, output)
            if learning:
                codebook.update(vectors, index)
            # Straight through: the gradient of the output is that of the input.
            output = residual + (output - residual).detach()
            residual = residual - output.detach()
            outputs.append(output)
            codes.append(index.reshape(batch, -1))

        def frames(x: Tensor) -> Tensor:
            return x.reshape(batch, -1, dimension).transpose(1, 2).to(latent.dtype)

        total = rows + (sum(outputs) - rows).detach()
        return Quantized(
            frames(total), frames(outputs[0]), torch.stack(codes), commitment
        )

    def encode(self, latent: Tensor) -> Tensor:
        """Codes (n_q, B, T) of latent frames (B, D, T)."""
        batch, dimension, _ = latent.shape
        residual = latent.transpose(1, 2).reshape(-1, dimension)
        codes = []
        for codebook in self.layers:
            index = nearest(residual, codebook.entries)
            residual = residual - embedding(index, codebook.entries)
            codes.append(index.reshape(batch, -1))
        return torch.stack(codes)

    def vectors(self, codes: Tensor) -> Tensor:
        """Outputs (k, B, D, T) of the first k layers for their codes (k, B, T)."""
        return torch.stack(
            [
                embedding(index, codebook.entries).transpose(1, 2)
                for index, codebook in zip(codes, self.layers, strict=False)
            ]
        )

    def usage(self) -> dict[str, Tensor]:
        """Perplexity and dead entries of each layer, from the running counts."""
        report = {}
        for number, codebook in enumerate(self.layers, 1):
            share = codebook.counts / codebook.counts.sum().clamp_min(1e-9)
            entropy = -(share * share.clamp_min(1e-9).log()).sum()
            dead = codebook.counts <= codebook.dead_code_threshold
            report[f"perplexity_rvq{number}"] = entropy.exp()
            report[f"dead_codes_rvq{number}"] = dead.sum().float()
        return report
