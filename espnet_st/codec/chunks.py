"""Signals that come in pieces, and what layers remember between the pieces.

A layer called with a `Flow` takes the next piece (B, C, t) of a signal, of any length,
and gives the output frames that the input so far determines, maybe none. The pieces
that it gives, joined, are its output for the whole signal: nothing is computed twice
and there are no seams. Long files, ragged batches and streaming all run like this.

Signals that run abreast make *ticks*: lists with the next piece of each signal, None
for one that has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import pad

Tick = list[Tensor | None]
Layer = Callable[[Tensor, "Flow"], Tensor]
State = TypeVar("State")


class Flow:
    """How far one signal has got.

    Attributes:
        last: Whether the piece now on its way is the signal's last.
    """

    def __init__(self) -> None:
        self.last = False
        self._states: dict[object, object] = {}

    def state(self, owner: object, make: Callable[[], State]) -> State:
        """What `owner` remembers of this signal; made when first asked for."""
        if owner not in self._states:
            self._states[owner] = make()
        return self._states[owner]


@dataclass(frozen=True, eq=False)
class Padding:
    """What a convolution needs around a signal, so that T frames give ceil(T / stride).

    Attributes:
        span: Frames under the kernel, the gaps of dilation included.
        stride: Frames per output frame.
        left: Frames before the start.
        right: Frames after the end, if T is a multiple of the stride.
        reflect: Whether the signal is mirrored at its ends; else there are zeros.
    """

    span: int
    stride: int
    left: int
    right: int
    reflect: bool

    def __call__(self, x: Tensor, flow: Flow | None = None) -> Tensor:
        """Pad a whole signal (B, C, T); with a flow, cut from it and its past.

        Returns:
            What a convolution without padding turns into the next output frames; no
            frame if there are none yet.
        """
        if flow is None:
            return self.extend(x, self.left, self.right + -x.shape[-1] % self.stride)
        if self.span == 1:
            return x[..., :: self.stride] if self.stride > 1 else x
        return flow.state(self, lambda: _Past(self)).cut(x, flow.last)

    def middle(self, padded: Tensor, count: int) -> Tensor:
        """Of a padded piece, the `count` frames that its output frames stand at.

        Only without a stride.
        """
        return padded[..., self.left : self.left + count]

    def extend(self, x: Tensor, left: int, right: int) -> Tensor:
        """Continue (B, C, T) on both sides.

        A signal too short for its mirror image is first continued with zeros, as
        EnCodec does (`encodec/modules/conv.py`).
        """
        if not self.reflect:
            return pad(x, (left, right))
        missing = max(left, right) + 1 - x.shape[-1]
        if missing <= 0:
            return pad(x, (left, right), "reflect")
        return pad(pad(x, (0, missing)), (left, right), "reflect")[..., :-missing]

    def attach(self, x: Tensor, left: int, right: int) -> Tensor:
        """As `extend`, of a signal that is long enough, its frames one by one."""
        parts = [x]
        if left:
            start = x[..., 1 : left + 1].flip(-1)
            parts.insert(0, start if self.reflect else zeros_like(x, left))
        if right:
            end = x[..., x.shape[-1] - right - 1 : -1].flip(-1)
            parts.append(end if self.reflect else zeros_like(x, right))
        return cat_frames(parts)


def zeros_like(x: Tensor, count: int) -> Tensor:
    """`count` frames of zeros beside `x` (B, C, T)."""
    return x.new_zeros(x.shape[0], x.shape[1], count)


def cat_frames(parts: Sequence[Tensor]) -> Tensor:
    """Join (B, C, t_i) over time so that a frame's channels lie side by side.

    Convolutions on a CPU are up to twice as fast on this layout.
    """
    return torch.cat([x.mT for x in parts], 1).mT if len(parts) > 1 else parts[0]


class _Past:
    """The end of a signal so far, as one convolution needs it."""

    def __init__(self, padding: Padding):
        self.padding = padding
        self.kept: Tensor | None = None
        self.used = 0  # of the kept frames, those kept for the mirror image only
        self.length = 0
        self.started = False

    def cut(self, x: Tensor, last: bool) -> Tensor:
        """Take the next piece; see `Padding.__call__`."""
        need = self.padding
        self.length += x.shape[-1]
        if self.length == 0:
            return x
        if self.kept is not None:
            x = cat_frames([self.kept, x])
        left = 0 if self.started else need.left
        right = need.right + -self.length % need.stride if last else 0
        mirror = need.right + need.stride if need.reflect else 0
        if need.reflect and x.shape[-1] <= max(left, mirror - 1):
            if not last:  # mirroring either end takes more frames than it adds
                self.kept = x
                return x[..., :0]
            x = need.extend(x, left, right)
        else:
            x = need.attach(x, left, right)
        self.started = True
        count = (x.shape[-1] - self.used - need.span) // need.stride + 1
        if count <= 0:
            self.kept = x
            return x[..., :0]
        start = self.used
        self.used += count * need.stride
        drop = max(0, min(self.used, x.shape[-1] - mirror))
        self.kept = x[..., drop:].clone()
        self.used -= drop
        return x[..., start : start + (count - 1) * need.stride + need.span]


class Trim:
    """Takes `left` frames off the start of a signal, and `right` off its end.

    Its last piece must have at least `right` frames.
    """

    def __init__(self, left: int, right: int):
        self.left, self.right = left, right

    def __call__(self, x: Tensor, last: bool) -> Tensor:
        """Trim the next piece (B, C, t)."""
        drop = min(self.left, x.shape[-1])
        self.left -= drop
        return x[..., drop : x.shape[-1] - (self.right if last else 0)]


def run(
    layers: Sequence[Layer], ticks: Iterable[Tick], flows: Sequence[Flow]
) -> Iterator[Tick]:
    """Run signals through layers, piece by piece.

    Args:
        layers: Called with a piece and its flow; one that has a method `abreast`
            takes the signals together.
        ticks: Pieces (1, C, t); `last` of a signal's flow is true with its last.
        flows: One of each signal.

    Yields:
        Pieces of the output; unless a layer waits for the end of a signal, a tick for
        each tick.
    """
    for together, part in groupby(layers, lambda layer: hasattr(layer, "abreast")):
        if together:
            for layer in part:
                ticks = layer.abreast(ticks, flows)
        else:
            ticks = _one_by_one(list(part), ticks, flows)
    yield from ticks


def each(function: Callable[[Tensor], Tensor], tick: Tick) -> Tick:
    """`function` of each piece that there is."""
    return [None if x is None else function(x) for x in tick]


def _one_by_one(
    layers: Sequence[Layer], ticks: Iterable[Tick], flows: Sequence[Flow]
) -> Iterator[Tick]:
    def through(x: Tensor | None, flow: Flow) -> Tensor | None:
        if x is not None:
            for layer in layers:
                x = layer(x, flow)
        return x

    for tick in ticks:
        yield list(map(through, tick, flows))


def cut(signals: Sequence[Tensor], size: int, flows: Sequence[Flow]) -> Iterator[Tick]:
    """Pieces of `size` frames of signals (..., T_i), all of them abreast."""
    for start in range(0, max(x.shape[-1] for x in signals), size):
        for x, flow in zip(signals, flows):
            flow.last = x.shape[-1] <= start + size
        yield [
            x[..., start : start + size] if start < x.shape[-1] else None
            for x in signals
        ]


def join(ticks: Iterable[Tick]) -> list[Tensor]:
    """The whole of each signal."""
    return [
        torch.cat([piece for piece in pieces if piece is not None], -1)
        for pieces in zip(*ticks)
    ]
