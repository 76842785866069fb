"""Embedding and prediction of codes in the NAR model: by tables, or by codebooks.

Both classes have `embed` and `predict`; `known` says which codes may be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


class TableEmbedding(nn.Module):
    """A table of embeddings for each codebook, as in the USLM release.

    Prediction layer j shares the weights of the embedding of codebook j + 2.

    Args:
        codebook_size: Entries of each codebook; the first has an end token too.
        n_q: Number of codebooks.
        d_model: Width.
    """

    def __init__(self, codebook_size: int, n_q: int, d_model: int) -> None:
        super().__init__()
        sizes = [codebook_size + 1] + [codebook_size] * (n_q - 1)
        self.embeddings = nn.ModuleList(nn.Embedding(k, d_model) for k in sizes)
        self.predict_layers = nn.ModuleList(
            nn.Linear(d_model, codebook_size, bias=False) for _ in range(n_q - 1)
        )
        for j in range(n_q - 2):
            self.predict_layers[j].weight = self.embeddings[j + 2].weight

    @property
    def tables(self) -> list[nn.Embedding]:
        """Give the embeddings, those of the first codebook first."""
        return [table for table in self.embeddings if isinstance(table, nn.Embedding)]

    def embed(self, codes: Tensor, known: Tensor) -> Tensor:
        """Sum the embeddings of the known codes.

        Args:
            codes: Codes (n_q, B, T).
            known: True where a code may be read (n_q, B, T); False in the padding.

        Returns:
            Vectors (B, T, D).
        """
        parts = zip(self.embeddings, codes, known, strict=True)
        return reduce(torch.add, (t(layer) * m.unsqueeze(-1) for t, layer, m in parts))

    def predict(self, hidden: Tensor, stages: Tensor) -> Tensor:
        """Score the codes of each row's layer.

        Args:
            hidden: Output of the transformer (B, T, D).
            stages: Layer to predict of each row (B,), 1 to n_q - 1.

        Returns:
            Logits (B, T, codebook_size).
        """
        rows = zip(stages.tolist(), hidden, strict=True)
        return torch.stack([self.predict_layers[s - 1](row) for s, row in rows])


class CodebookEmbedding(nn.Module):
    """The codec's own vectors: codes that sound alike have similar vectors.

    A frame is read as the sum of its known vectors, together with its neighbours and
    the mean of the prompt. The model guesses the vector that the layer to predict adds,
    and entries are scored by their distance to the guess. Little data can teach that,
    while a table learns each entry of each layer for itself.

    Args:
        codebooks: Vectors (n_q, codebook_size, E).
        d_model: Width.
    """

    CONTEXT = 7
    """Frames that are read together."""

    inputs: Tensor
    entries: Tensor

    def __init__(self, codebooks: Tensor, d_model: int) -> None:
        super().__init__()
        n_q, size, dimension = codebooks.shape
        books = codebooks.float()
        means = books.mean(dim=1, keepdim=True)
        spread = (books - means).square().mean(dim=(1, 2)).sqrt().clamp(min=1e-4)
        scale = books.var(dim=1, correction=0).sum(dim=0).sqrt().clamp(min=1e-4)
        # To read: of mean 0, and together of variance 1 in each dimension. To score:
        # of variance 1 in each layer.
        self.register_buffer("inputs", (books - means) / scale)
        self.register_buffer("entries", books / spread.view(-1, 1, 1))
        self.read = nn.Conv1d(
            dimension, d_model, self.CONTEXT, padding=self.CONTEXT // 2
        )
        self.voice = nn.Linear(dimension, d_model)
        self.prompt = nn.Parameter(torch.zeros(d_model))
        self.guess = nn.Linear(d_model, dimension)
        self.bias = nn.Parameter(torch.zeros(n_q, size))
        # Scores of order one for a guess that knows nothing.
        self.log_precision = nn.Parameter(torch.full((n_q,), 0.125).log())

    def embed(self, codes: Tensor, known: Tensor) -> Tensor:
        """Embed the known codes; frames known in all layers are the prompt.

        Args:
            codes: As in `TableEmbedding.embed`.
            known: As in `TableEmbedding.embed`.

        Returns:
            Vectors (B, T, D).
        """
        parts = zip(self.inputs, codes, known, strict=True)
        total = reduce(torch.add, (b[layer] * m.unsqueeze(-1) for b, layer, m in parts))
        whole = known.all(dim=0).unsqueeze(-1)
        mean = (total * whole).sum(dim=1) / whole.sum(dim=1).clamp(min=1)
        read = self.read(total.transpose(1, 2)).transpose(1, 2)
        return read + self.voice(mean).unsqueeze(1) + self.prompt * whole

    def predict(self, hidden: Tensor, stages: Tensor) -> Tensor:
        """Score the codes of each row's layer by their distance to the guess.

        Args:
            hidden: As in `TableEmbedding.predict`.
            stages: As in `TableEmbedding.predict`.

        Returns:
            Logits (B, T, codebook_size).
        """
        guess = self.guess(hidden).float()
        entries = self.entries[stages]
        with torch.autocast(hidden.device.type, enabled=False):
            near = guess @ entries.transpose(1, 2)
        near = near - 0.5 * entries.square().sum(-1).unsqueeze(1)
        precision = self.log_precision[stages].exp().view(-1, 1, 1)
        return precision * near + self.bias[stages].unsqueeze(1)


@torch.no_grad()
def init_tables(tables: Iterable[Iterable[nn.Embedding]], codebooks: Tensor) -> None:
    """Initialize embeddings from the codec's vectors.

    Codes that sound alike then start with similar embeddings.

    Vectors as wide as the embeddings are copied. Others go through one random matrix
    of orthonormal rows or columns, which keeps all distances where the embeddings are
    wider, and nearly so where they are not. Each codebook is then moved and scaled to
    mean 0 and the spread that the embeddings had; further rows (the end token) stay.

    Args:
        tables: Lists of embeddings for the first codebooks in order.
        codebooks: Vectors (n_q, codebook_size, E).
    """
    books = codebooks.float()
    books = books - books.mean(dim=1, keepdim=True)
    width = next(table for some in tables for table in some).embedding_dim
    if width != books.shape[2]:
        books = books @ nn.init.orthogonal_(books.new_empty(books.shape[2], width))
    spread = books.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp(min=1e-4)
    books = books / spread
    for some in tables:
        for table, book in zip(some, books):
            table.weight[: len(book)] = book * table.weight.std()


def read_codebooks(
    source: str | Tensor | None, n_q: int, codebook_size: int
) -> Tensor | None:
    """Read codebooks of a tensor or a `.npy` file.

    Args:
        source: Codebooks, the path of a file of them, or None.
        n_q: Expected number of codebooks.
        codebook_size: Expected entries of each.

    Returns:
        Codebooks (n_q, codebook_size, E), or None for None.

    Raises:
        ValueError: If there is no such file, or the sizes differ.
    """
    if source is None:
        return None
    if isinstance(source, Tensor):
        codebooks = source
    else:
        if not Path(source).is_file():
            raise ValueError(f"no codebooks at {source}: tokenize the corpus first")
        codebooks = torch.from_numpy(np.load(source))
    if codebooks.dim() != 3 or codebooks.shape[:2] != (n_q, codebook_size):
        raise ValueError(
            f"codebooks are {tuple(codebooks.shape)}: expected "
            f"({n_q}, {codebook_size}, E)"
        )
    return codebooks
