"""The LSTM: of whole signals in training, of several signals together in inference.

Together run other signals, or other windows of one signal; see `kernels.lstm`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from espnet_st.codec.chunks import BatchLayer, Chunk, ChunkBatch, StreamState
from espnet_st.kernels.lstm import recur

ROWS = 16
"""Windows of a long signal that run together."""
WINDOW = 1024
"""Frames after which a long signal is cut into windows."""
TOLERANCE = 1e-6
"""Largest difference between states that are taken for the same."""
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""Weights of each direction of each layer, as `torch.nn.LSTM` names them."""


@dataclass
class _Windows:
    """The frames of a signal so far, for an LSTM that reads both ways.

    Attributes:
        values: (t, C) each; all but the last have at least `WINDOW` frames.
        ended: Whether the signal has ended.
    """

    values: list[Tensor] = field(default_factory=list)
    ended: bool = False

    def append(self, chunk: Chunk) -> None:
        """Take the next chunk (1, C, t)."""
        frames = chunk.values[0].t()
        if self.values and (len(self.values[-1]) < WINDOW or not len(frames)):
            self.values[-1] = torch.cat([self.values[-1], frames])
        else:
            self.values.append(frames)
        self.ended = chunk.is_last
        if self.ended and len(self.values) == 2:  # not worth three passes
            self.values = [torch.cat(self.values)]


class ResidualLSTM(nn.Module, BatchLayer):
    """LSTM over time whose input is added to its output.

    A bidirectional one doubles the channels, and so repeats the input.

    Args:
        channels: Width of input and of each direction.
        layers: Stacked layers.
        bidirectional: Whether to read both ways.
    """

    def __init__(self, channels: int, layers: int, bidirectional: bool):
        super().__init__()
        self.lstm = nn.LSTM(
            channels, channels, layers, batch_first=True, bidirectional=bidirectional
        )
        self.directions = 2 if bidirectional else 1

    def forward(self, x: Tensor) -> Tensor:
        """Turn whole signals (B, C, T) into (B, directions * C, T)."""
        hidden, _ = self.lstm(x.transpose(1, 2))
        return hidden.transpose(1, 2) + x.repeat(1, self.directions, 1)

    def step_batch(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> Iterator[ChunkBatch]:
        """Turn the next chunks into output; see `BatchLayer.step_batch`.

        An LSTM that reads both ways waits for the ends of all signals, and then yields
        their windows. The result is that of the whole signals, however long they are.
        """
        if self.directions == 1:
            yield self._step_forwards(batch, states)
            return
        signals = [state.get(self, _Windows) for state in states]
        for signal, chunk in zip(signals, batch):
            if chunk is not None:
                signal.append(chunk)
        if all(signal.ended for signal in signals):
            yield from self._read_windows([signal.values for signal in signals])

    def _step_forwards(
        self, batch: ChunkBatch, states: Sequence[StreamState]
    ) -> ChunkBatch:
        """Read the next chunks from the states where the last ones ended."""
        found = [
            (i, chunk, state.get(self, lambda: [self._zeros(1)]))
            for i, (chunk, state) in enumerate(zip(batch, states))
            if chunk is not None and chunk.values.shape[-1]
        ]
        if not found:
            return batch
        starts = torch.cat([memory[0] for _, _, memory in found], 2)
        rows = [chunk.values[0].t() for _, chunk, _ in found]
        hidden, ends = self.rows(rows, starts)
        out = list(batch)
        for (i, chunk, memory), x, end in zip(found, hidden, ends.split(1, 2)):
            out[i] = Chunk(x.t()[None], chunk.is_last)
            memory[0] = end
        return out

    def _read_windows(self, signals: Sequence[list[Tensor]]) -> Iterator[ChunkBatch]:
        """Read the windows (t, C) of whole signals, and forget each once it is read."""
        starts = [self._starts(windows) for windows in signals]
        count = max(ROWS // len(signals), 1)
        for first in range(0, max(map(len, signals)), count):
            picked = [
                (i, k)
                for k in range(first, first + count)
                for i, windows in enumerate(signals)
                if k < len(windows)
            ]
            hidden, _ = self.rows(
                [signals[i][k] for i, k in picked],
                torch.stack([starts[i][:, :, k] for i, k in picked], 2),
            )
            batches: dict[int, ChunkBatch] = {}
            for (i, k), x in zip(picked, hidden):
                batch = batches.setdefault(k, [None] * len(signals))
                batch[i] = Chunk(x.t()[None], k == len(signals[i]) - 1)
                signals[i][k] = x.new_empty(0)
            yield from batches.values()

    def _zeros(self, count: int) -> Tensor:
        """Make hidden states and cells at rest (2, layers * directions, count, C)."""
        weight = self.lstm.get_parameter("weight_hh_l0")
        layers = self.lstm.num_layers * self.directions
        # Not in half precision: errors would add up from step to step.
        return weight.new_zeros(
            2,
            layers,
            count,
            weight.shape[1],
            dtype=torch.promote_types(weight.dtype, torch.float32),
        )

    def _starts(self, windows: Sequence[Tensor]) -> Tensor:
        """Find the states with which each window of a signal is read.

        The forward direction starts a window where it ended the one before, the
        backward direction where it ended the one after. From states at rest, all
        windows are read together again and again until no state changes: then they are
        those of one pass over the signal. An LSTM forgets, so that two passes are
        usual; after as many passes as there are windows it is certain.

        Returns:
            (2, layers * directions, windows, C).
        """
        states = self._zeros(len(windows))
        if len(windows) == 1:
            return states
        ends = torch.zeros_like(states)
        todo = list(range(len(windows)))
        while todo:
            for first in range(0, len(todo), ROWS):
                part = todo[first : first + ROWS]
                _, ends[:, :, part] = self.rows(
                    [windows[k] for k in part], states[:, :, part]
                )
            found = torch.zeros_like(states)
            found[:, ::2, 1:] = ends[:, ::2, :-1]
            found[:, 1::2, :-1] = ends[:, 1::2, 1:]
            changed = (found - states).abs().amax((0, 1, 3)) > TOLERANCE
            states = torch.where(changed[:, None], found, states)
            todo = changed.nonzero()[:, 0].tolist()
        return states

    def rows(
        self, items: Sequence[Tensor], states: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Run sequences as rows of a batch.

        Args:
            items: (T_i, C), at least one frame each.
            states: Hidden states and cells that they start with
                (2, layers * directions, items, C).

        Returns:
            (T_i, directions * C) of each item, and the states that they end with.
        """
        inputs, ends = list(items), torch.empty_like(states)
        width, lengths = states.shape[-1], list(map(len, items))
        for layer in range(self.lstm.num_layers):
            outputs = [x.new_empty(len(x), self.directions * width) for x in items]
            for direction in range(self.directions):
                index = layer * self.directions + direction
                suffix = f"_l{layer}" + "_reverse" * direction
                part = slice(direction * width, (direction + 1) * width)
                ends[:, index] = recur(
                    inputs,
                    [getattr(self.lstm, kind + suffix) for kind in KINDS],
                    states[:, index],
                    [x[:, part] for x in outputs],
                    backwards=direction == 1,
                )
            inputs = outputs
        for x, item, length in zip(outputs, items, lengths):
            x.view(length, self.directions, width).add_(item[:, None])
        return outputs, ends
