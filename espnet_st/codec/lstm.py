"""The LSTM: whole signals in training, signals abreast in inference.

Abreast are other signals, or other windows of one signal; see `kernels.lstm`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from espnet_st.codec.chunks import Flow, Tick
from espnet_st.kernels.lstm import recur

ROWS = 16
"""Windows of a long signal that run together."""
WINDOW = 1024
"""Frames after which a long signal is cut into windows."""
TOLERANCE = 1e-6
"""Largest difference between states that are taken for the same."""


class ResidualLSTM(nn.Module):
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

    def forward(self, x: Tensor, flow: Flow | None = None) -> Tensor:
        """Whole signals (B, C, T) to (B, directions * C, T); pieces go `abreast`."""
        assert flow is None
        hidden, _ = self.lstm(x.transpose(1, 2))
        return hidden.transpose(1, 2) + x.repeat(1, self.directions, 1)

    def abreast(self, ticks: Iterable[Tick], flows: Sequence[Flow]) -> Iterator[Tick]:
        """Run signals together; see `pieces.run`.

        One that reads both ways waits for the ends of all signals. The result is that
        of the whole signals, however long they are.
        """
        if self.directions == 2:
            return self._both_ways(ticks, flows)
        return self._one_way(ticks, flows)

    def _one_way(self, ticks: Iterable[Tick], flows: Sequence[Flow]) -> Iterator[Tick]:
        states = self._zeros(len(flows))
        for tick in ticks:
            live = [i for i, x in enumerate(tick) if x is not None and x.shape[-1]]
            out = list(tick)
            if live:
                rows = [tick[i][0].t() for i in live]
                hidden, states[:, :, live] = self.rows(rows, states[:, :, live])
                for i, x in zip(live, hidden):
                    out[i] = x.t()[None]
            yield out

    def _both_ways(
        self, ticks: Iterable[Tick], flows: Sequence[Flow]
    ) -> Iterator[Tick]:
        signals = [[] for _ in flows]
        for tick in ticks:
            for windows, x in zip(signals, tick):
                if x is None:
                    continue
                if windows and len(windows[-1]) < WINDOW:
                    windows[-1] = torch.cat([windows[-1], x[0].t()])
                else:
                    windows.append(x[0].t())
        for windows in signals:
            if len(windows) == 2:  # not worth three passes
                windows[:] = [torch.cat(windows)]
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
            for k in range(first, first + count):
                tick = [None] * len(signals)
                for (i, window), x in zip(picked, hidden):
                    if window == k:
                        tick[i] = x.t()[None]
                        flows[i].last = k == len(signals[i]) - 1
                        signals[i][k] = None
                if picked and any(x is not None for x in tick):
                    yield tick

    def _zeros(self, count: int) -> Tensor:
        """Hidden states and cells at rest (2, layers * directions, count, C)."""
        weight = self.lstm.weight_hh_l0
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
        """The states with which each window of a signal is read.

        The forward direction starts a window where it ended the one before, the
        backward direction where it ended the one after. From states at rest, all
        windows are read abreast again and again until no state changes: then they are
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


KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
