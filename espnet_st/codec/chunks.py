"""Running signals chunk by chunk, with what layers remember between the chunks.

The outputs for the chunks of a signal, one after the other, are the output for the
whole signal: nothing is computed twice and there are no seams. Long files, ragged
batches and streaming all run like this.

Each layer declares by its class what it does with chunks: a `FrameLayer` looks at each
frame by itself and is called with a chunk as with a whole signal; a `StreamLayer`
remembers something of the signal, in the `StreamState` that it is handed. A
`BatchLayer` remembers too, and takes the chunks of all signals at once. How
convolutions are padded is in `padding.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar, cast

import torch
from torch import Tensor

State = TypeVar("State")


class Chunk(NamedTuple):
    """The next part of a signal.

    Attributes:
        values: (..., t); t may be 0.
        is_last: Whether the signal ends with it.
    """

    values: Tensor
    is_last: bool

    def map(self, function: Callable[[Tensor], Tensor]) -> Chunk:
        """Replace the values by a function of them."""
        return Chunk(function(self.values), self.is_last)


ChunkBatch = list[Chunk | None]
"""The next chunk of each signal of a batch; None for one that has none this time."""


class StreamState:
    """What layers remember of one signal."""

    def __init__(self) -> None:
        self._parts: dict[Hashable, object] = {}

    def get(self, owner: Hashable, make: Callable[[], State]) -> State:
        """Look up what `owner` remembers, made when it is first asked for."""
        if owner not in self._parts:
            self._parts[owner] = make()
        return cast(State, self._parts[owner])


class FrameLayer(ABC):
    """A layer that looks at each frame by itself: chunks are whole signals to it."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Turn frames (B, C, T) into as many frames (B, C', T)."""


class StreamLayer(ABC):
    """A layer that remembers something of the signal from chunk to chunk."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Turn whole signals (B, C, T) into output."""

    @abstractmethod
    def step(self, chunk: Chunk, state: StreamState) -> Chunk:
        """Turn the next chunk into the output that the input so far determines.

        Args:
            chunk: (1, C, t), of any length.
            state: Of its signal.

        Returns:
            The next frames of the output (1, C', t'), maybe none; with the last chunk
            the last ones.
        """


class BatchLayer(ABC):
    """A layer that takes the chunks of all signals at once, and remembers."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Turn whole signals (B, C, T) into output."""

    @abstractmethod
    def step_batch(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Turn the next chunks into the output that the input so far determines.

        Args:
            batch: Chunks (1, C, t).
            states: Of their signals.

        Yields:
            The next chunks of the output: any number of batches.
        """


class WholeSignals(BatchLayer):
    """A function of whole signals: chunks are kept until their signal ends.

    Args:
        function: Turns a whole signal (B, C, T) into output.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]):
        self.function = function

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the function to whole signals (B, C, T)."""
        return self.function(x)

    def step_batch(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Run the signals that end with these chunks, one by one."""

        def step(chunk: Chunk | None, state: StreamState) -> Chunk | None:
            if chunk is None:
                return None
            kept: list[Tensor] = state.get(self, list)
            kept.append(chunk.values)
            if not chunk.is_last:
                return None
            return Chunk(self.function(torch.cat(kept, -1)), is_last=True)

        yield list(map(step, batch, states))


Layer = FrameLayer | StreamLayer | BatchLayer


def run_layers(
    layers: Sequence[Layer], batch: ChunkBatch, states: Sequence[StreamState]
) -> Iterator[ChunkBatch]:
    """Run the next chunks of some signals through layers.

    Between layers that take all signals at once, a signal goes through all layers
    before the next one does.

    Args:
        layers: The first of them takes the chunks.
        batch: Chunks (1, C, t).
        states: Of their signals.

    Yields:
        Chunks of the output: a batch, unless a layer waits for the end of the signals.
    """
    batches: Iterator[ChunkBatch] = iter([batch])
    alone: list[FrameLayer | StreamLayer] = []
    for layer in layers:
        if isinstance(layer, BatchLayer):
            batches = _run_one_by_one(alone, batches, states)
            batches = _run_together(layer, batches, states)
            alone = []
        else:
            alone.append(layer)
    return _run_one_by_one(alone, batches, states)


def _run_together(
    layer: BatchLayer, batches: Iterator[ChunkBatch], states: Sequence[StreamState]
) -> Iterator[ChunkBatch]:
    for batch in batches:
        yield from layer.step_batch(batch, states)


def _run_one_by_one(
    layers: Sequence[FrameLayer | StreamLayer],
    batches: Iterator[ChunkBatch],
    states: Sequence[StreamState],
) -> Iterator[ChunkBatch]:
    def run(chunk: Chunk | None, state: StreamState) -> Chunk | None:
        if chunk is None:
            return None
        for layer in layers:
            if isinstance(layer, StreamLayer):
                chunk = layer.step(chunk, state)
            else:
                chunk = chunk.map(layer)
        return chunk

    for batch in batches:
        yield list(map(run, batch, states))


def map_chunks(function: Callable[[Tensor], Tensor], batch: ChunkBatch) -> ChunkBatch:
    """Replace the values of each chunk that there is by a function of them."""
    return [None if chunk is None else chunk.map(function) for chunk in batch]


def split_signals(signals: Sequence[Tensor], size: int) -> Iterator[ChunkBatch]:
    """Split signals (..., T_i) into chunks of `size` frames, all signals together."""
    for start in range(0, max(x.shape[-1] for x in signals), size):
        stop = start + size
        yield [
            Chunk(x[..., start:stop], x.shape[-1] <= stop)
            if start < x.shape[-1]
            else None
            for x in signals
        ]


def join_chunks(batches: Iterable[ChunkBatch]) -> list[Tensor]:
    """Put the chunks of each signal together, back to whole signals."""
    return [
        torch.cat([chunk.values for chunk in chunks if chunk is not None], -1)
        for chunks in zip(*batches)
    ]
