"""Padding around signals, whole or chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from espnet_st.codec.chunks import Chunk, StreamLayer, StreamState


@dataclass(frozen=True, eq=False)
class Padding(StreamLayer):
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

    def __call__(self, x: Tensor) -> Tensor:
        """Pad a whole signal (B, C, T)."""
        return self.extend(x, self.left, self.right + -x.shape[-1] % self.stride)

    def step(self, chunk: Chunk, state: StreamState) -> Chunk:
        """Select of a signal so far what the next output frames are made of.

        Returns:
            What a convolution without padding turns into these frames; no frame if
            there are none yet.
        """
        if self.span == 1:
            return (
                chunk.map(lambda x: x[..., :: self.stride])
                if self.stride > 1
                else chunk
            )
        return state.get(self, lambda: _Past(self)).step(chunk)

    def middle(self, padded: Tensor, count: int) -> Tensor:
        """Select the `count` frames of a padded chunk that its output frames stand at.

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
        """Continue as `extend` a signal that is long enough, keeping its layout."""
        parts = [x]
        if left:
            start = x[..., 1 : left + 1].flip(-1)
            parts.insert(0, start if self.reflect else zeros_like(x, left))
        if right:
            end = x[..., x.shape[-1] - right - 1 : -1].flip(-1)
            parts.append(end if self.reflect else zeros_like(x, right))
        return cat_frames(parts)


def zeros_like(x: Tensor, count: int) -> Tensor:
    """Make `count` frames of zeros to stand beside `x` (B, C, T)."""
    return x.new_zeros(x.shape[0], x.shape[1], count)


def cat_frames(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate (B, C, t_i) over time so that a frame's channels lie side by side.

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

    def step(self, chunk: Chunk) -> Chunk:
        """Take the next chunk; see `Padding.step`."""
        need, (x, is_last) = self.padding, chunk
        self.length += x.shape[-1]
        if self.length == 0:
            return chunk
        if self.kept is not None:
            x = cat_frames([self.kept, x])
        left = 0 if self.started else need.left
        right = need.right + -self.length % need.stride if is_last else 0
        mirror = need.right + need.stride if need.reflect else 0
        if need.reflect and x.shape[-1] <= max(left, mirror - 1):
            if not is_last:  # mirroring either end takes more frames than it adds
                self.kept = x
                return Chunk(x[..., :0], is_last)
            x = need.extend(x, left, right)
        else:
            x = need.attach(x, left, right)
        self.started = True
        count = (x.shape[-1] - self.used - need.span) // need.stride + 1
        if count <= 0:
            self.kept = x
            return Chunk(x[..., :0], is_last)
        start = self.used
        self.used += count * need.stride
        drop = max(0, min(self.used, x.shape[-1] - mirror))
        self.kept = x[..., drop:].clone()
        self.used -= drop
        stop = start + (count - 1) * need.stride + need.span
        return Chunk(x[..., start:stop], is_last)


class Trim:
    """Takes `left` frames off the start of a signal, and `right` off its end.

    Its last chunk must have at least `right` frames.
    """

    def __init__(self, left: int, right: int):
        self.left, self.right = left, right

    def step(self, chunk: Chunk) -> Chunk:
        """Trim the next chunk (B, C, t)."""
        x, is_last = chunk
        drop = min(self.left, x.shape[-1])
        self.left -= drop
        stop = x.shape[-1] - (self.right if is_last else 0)
        return Chunk(x[..., drop:stop], is_last)
