"""Residual vector quantizer (section 3.1)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, mse_loss

from espnet_st.codec.codebook import Codebook, nearest
from espnet_st.distributed import all_finite

COLLAPSED = 0.05
"""A layer has collapsed when its perplexity is below this share of its entries."""
CHECK_EVERY = 100
"""Training steps between two looks for collapsed layers."""


class Quantized(NamedTuple):
    """The outcome of one pass through the quantizer.

    Attributes:
        sum: Sum of the layers' outputs (B, D, T), straight-through to the input.
        first: Output of the first layer (B, D, T), straight-through to the input.
        codes: (n_q, B, T).
        errors: Each layer's mean squared distance between its input and its output
            (n_q,), with the gradient for the quantizer's input.
    """

    sum: Tensor
    first: Tensor
    codes: Tensor
    errors: Tensor


class ResidualVectorQuantizer(nn.Module):
    """`n_q` codebooks, each quantizing what the ones before left over.

    Args:
        dimension: Channels of a latent frame, D.
        n_q: Layers.
        codebook_size: Entries per layer.
        decay: Of the moving averages.
        kmeans_iterations: Rounds that set a codebook on the first batch.
        dead_code_threshold: See `Codebook`; in vectors per batch.
        quantizer_dropout: Share of the training items whose `sum` ends after a random
            layer, so that any number of layers can be decoded. All layers go on
            learning from all items.
    """

    layers: Sequence[Codebook]

    def __init__(
        self,
        dimension: int,
        n_q: int = 8,
        codebook_size: int = 1024,
        decay: float = 0.99,
        kmeans_iterations: int = 50,
        dead_code_threshold: float = 2.0,
        quantizer_dropout: float = 0.0,
    ):
        super().__init__()
        if not 0 <= quantizer_dropout <= 1:
            raise ValueError(
                f"quantizer_dropout is {quantizer_dropout}; expected a share of the "
                "items, from 0 to 1"
            )
        self.n_q = n_q
        self.codebook_size = codebook_size
        self.quantizer_dropout = quantizer_dropout
        layers = nn.ModuleList(
            Codebook(
                codebook_size, dimension, decay, kmeans_iterations, dead_code_threshold
            )
            for _ in range(n_q)
        )
        self.layers = cast(Sequence[Codebook], layers)
        self._checks = 0
        self._collapsed: set[int] = set()

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize, and in training update the codebooks.

        Args:
            latent: (B, D, T). Where a value is not finite, in any process, no codebook
                learns from it.
        """
        batch, dimension, _ = latent.shape
        rows = latent.transpose(1, 2).reshape(-1, dimension).float()  # (B * T, D)
        learning = self.training and all_finite(rows)
        kept = self._kept_layers(batch, rows)
        residual = rows
        outputs, codes, errors = [], [], []
        for number, codebook in enumerate(self.layers):
            vectors = residual.detach()
            if learning:
                codebook.initialise(vectors)
            index = nearest(vectors, codebook.entries)
            output = embedding(index, codebook.entries)
            errors.append(mse_loss(residual, output))
            if learning:
                codebook.update(vectors, index)
            residual = residual - output
            outputs.append(output if kept is None else output * (number < kept))
            codes.append(index.reshape(batch, -1))

        def straight_through(output: Tensor) -> Tensor:
            """Shape it back to (B, D, T), with the gradient of the input."""
            output = rows + (output - rows).detach()
            return output.reshape(batch, -1, dimension).transpose(1, 2).to(latent.dtype)

        return Quantized(
            straight_through(sum(outputs[1:], outputs[0])),
            straight_through(outputs[0]),
            torch.stack(codes),
            torch.stack(errors),
        )

    def _kept_layers(self, batch: int, rows: Tensor) -> Tensor | None:
        """Draw how many layers each row's sum has (B * T, 1), or None for all."""
        if not (self.training and self.quantizer_dropout):
            return None
        kept = torch.randint(1, self.n_q + 1, (batch,), device=rows.device)
        dropped = torch.rand(batch, device=rows.device) < self.quantizer_dropout
        kept = torch.where(dropped, kept, self.n_q)
        return kept.repeat_interleave(len(rows) // batch)[:, None]

    def encode(self, latent: Tensor) -> Tensor:
        """Encode latent frames (B, D, T) into codes (n_q, B, T)."""
        batch, dimension, _ = latent.shape
        residual = latent.transpose(1, 2).reshape(-1, dimension)
        codes = []
        for codebook in self.layers:
            index = nearest(residual, codebook.entries)
            residual = residual - embedding(index, codebook.entries)
            codes.append(index.reshape(batch, -1))
        return torch.stack(codes)

    def codes_to_vectors(self, codes: Tensor, start: int = 0) -> Tensor:
        """Look up the entries that codes stand for.

        Args:
            codes: (k, B, T), of layers start, ..., start + k - 1.
            start: The first of these layers; 0 is the semantic one.

        Returns:
            (k, B, D, T); their sum over k is what the decoder takes.

        Raises:
            ValueError: If there are no such layers.
        """
        layers = self._layers_from(start, len(codes))
        return torch.stack(
            [
                embedding(index, codebook.entries).transpose(1, 2)
                for index, codebook in zip(codes, layers)
            ]
        )

    def vectors_to_codes(self, vectors: Tensor, start: int = 0) -> Tensor:
        """Find the nearest entries of each layer's own vectors.

        The way back from `codes_to_vectors`.

        Args:
            vectors: (k, B, D, T), of layers start, ..., start + k - 1.
            start: The first of these layers.

        Returns:
            (k, B, T).

        Raises:
            ValueError: If there are no such layers.
        """
        layers = self._layers_from(start, len(vectors))
        _, batch, dimension, _ = vectors.shape
        rows = vectors.transpose(2, 3).reshape(len(vectors), -1, dimension)
        codes = [nearest(x, codebook.entries) for x, codebook in zip(rows, layers)]
        return torch.stack(codes).reshape(len(vectors), batch, -1)

    def _layers_from(self, start: int, count: int) -> list[Codebook]:
        if start < 0 or count < 1 or start + count > self.n_q:
            raise ValueError(
                f"{count} layers from layer {start} on; expected layers of 0 to "
                f"{self.n_q - 1}"
            )
        return list(self.layers)[start : start + count]

    def usage(self) -> dict[str, Tensor]:
        """Measure the use of each layer's entries, from the running counts.

        Returns:
            For layer i of 1 to n_q scalars `dead_codes_rvq{i}`, the number of entries
            that would be replaced, `usage_rvq{i}`, the share of the others, and
            `perplexity_rvq{i}`.
        """
        counts = torch.stack([codebook.counts for codebook in self.layers])
        share = counts / counts.sum(1, keepdim=True).clamp_min(1e-9)
        perplexity = (-(share * share.clamp_min(1e-9).log()).sum(1)).exp()
        dead = torch.stack([codebook.is_dead().sum() for codebook in self.layers])
        dead = dead.float()
        report = {}
        for index in range(self.n_q):
            report[f"usage_rvq{index + 1}"] = 1 - dead[index] / self.codebook_size
            report[f"perplexity_rvq{index + 1}"] = perplexity[index]
            report[f"dead_codes_rvq{index + 1}"] = dead[index]
        return report

    def warn_of_collapse(self, usage: Mapping[str, Tensor]) -> None:
        """Warn of each layer that has collapsed, once until it has recovered.

        To be called at every training step; it looks at one in `CHECK_EVERY`.

        Args:
            usage: What `usage` gave.
        """
        self._checks += 1
        if self._checks % CHECK_EVERY:
            return
        for index in range(self.n_q):
            perplexity = float(usage[f"perplexity_rvq{index + 1}"])
            if perplexity >= COLLAPSED * self.codebook_size:
                self._collapsed.discard(index)
            elif index not in self._collapsed:
                self._collapsed.add(index)
                dead = int(usage[f"dead_codes_rvq{index + 1}"])
                logging.warning(
                    f"quantizer.layers.{index} (RVQ-{index + 1}) has collapsed: "
                    f"perplexity {perplexity:.1f} of {self.codebook_size} entries, "
                    f"{dead} of them dead; look at dead_code_threshold, the learning "
                    "rate and the weights of the losses"
                )
