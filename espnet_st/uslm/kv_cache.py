"""Keys and values that a transformer keeps of the positions it has read."""

from __future__ import annotations

import torch
from torch import Tensor


class KVCache:
    """Keys and values of every layer, for one batch that grows frame by frame.

    Memory is allocated once. A row that ends gives its memory to one that goes on.

    Args:
        capacity: Largest number of positions it will hold.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.size = 0
        self._layers: dict[int, Tensor] = {}  # (2, B, H, capacity, E) each

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store keys and values (B, H, n, E), and return all so far (B, H, L, E)."""
        batch, heads, new, size = keys.shape
        end = self.size + new
        assert end <= self.capacity, f"cache of {self.capacity} asked to hold {end}"
        if layer not in self._layers:
            self._layers[layer] = keys.new_empty(2, batch, heads, self.capacity, size)
        store = self._layers[layer][:, :batch]
        store[0, :, :, self.size : end] = keys
        store[1, :, :, self.size : end] = values
        return store[0, :, :, :end], store[1, :, :, :end]

    def advance(self, new: int) -> None:
        """Count `new` positions as held, once all layers have stored them."""
        self.size += new

    def select(self, rows: Tensor) -> None:
        """Keep only these rows (n,) of the batch, in this order."""
        targets = (rows != torch.arange(len(rows), device=rows.device)).nonzero()[:, 0]
        for store in self._layers.values():
            held = store[:, :, :, : self.size]
            held[:, targets] = held[:, rows[targets]]


def fill_gaps(going: Tensor) -> Tensor:
    """List the rows that go on, so that as many as possible keep their index.

    Args:
        going: Which rows go on (B,).

    Returns:
        Indices of rows (n,), for `KVCache.select`.
    """
    count = int(going.sum())
    rows = torch.arange(count, device=going.device)
    rows[~going[:count]] = going[count:].nonzero()[:, 0] + count
    return rows
