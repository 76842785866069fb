"""The steps of an LSTM over many sequences at once.

Reading the weights is what a step costs, and it costs nearly the same for one sequence
and for sixteen. Every matrix product has a shape that depends on one sequence alone, or
on a whole number of blocks of columns, so that a sequence gets the same bits whatever
runs beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import torch
from torch import Tensor
from torch.nn.functional import linear

COLUMNS = 8, 16, 32
"""How many columns a step's matrix product may have."""
SLABS = 32
"""Parts of the weights that are multiplied on their own, while they are at hand."""
SPAN = 128
"""Frames whose gates are computed at once."""


@dataclass(frozen=True)
class Block:
    """Frames `low` to `high` of sequence `item`, in a column of a batch.

    Attributes:
        item: Which sequence.
        low, high: Which frames of it, `SPAN` at most.
        column: Where they run.
        enters: Whether the sequence starts with them, so that its states are loaded.
        leaves: Whether it ends with them, so that its states are kept.
    """

    item: int
    low: int
    high: int
    column: int
    enters: bool
    leaves: bool


def choose_columns(lengths: Sequence[int], dtype: torch.dtype) -> int:
    """How many columns take the least time.

    The steps are as many as the longest sequence has frames, or more if the columns are
    few. What one costs for any number of columns weighs as much as ten columns do, or,
    where weights are of half precision, a hundred.
    """
    fixed = 10 if dtype == torch.float32 else 100

    def cost(columns: int) -> int:
        return max(max(lengths), -(-sum(lengths) // columns)) * (fixed + columns)

    return min(COLUMNS, key=cost)


def plan(
    lengths: Sequence[int], columns: int, backwards: bool
) -> tuple[dict[int, list[Block]], dict[int, list[Block]]]:
    """Lay sequences of any lengths into columns, one after the other, about evenly.

    Returns:
        The blocks that start at a step, and those that end before one.
    """
    loads = [0] * columns
    starting: dict[int, list[Block]] = {}
    ending: dict[int, list[Block]] = {}
    for item in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        column = loads.index(min(loads))
        length = lengths[item]
        lows = range(0, length, SPAN)
        for low in reversed(lows) if backwards else lows:
            high = min(low + SPAN, length)
            ends = low == 0, high == length
            enters, leaves = ends[::-1] if backwards else ends
            block = Block(item, low, high, column, enters, leaves)
            starting.setdefault(loads[column], []).append(block)
            loads[column] += high - low
            ending.setdefault(loads[column], []).append(block)
    return starting, ending


def recur(
    items: Sequence[Tensor],
    weights: Sequence[Tensor],
    states: Tensor,
    outputs: Sequence[Tensor],
    backwards: bool,
) -> Tensor:
    """One direction of one LSTM layer over sequences of any lengths.

    Args:
        items: (T_i, D), at least one frame each.
        weights: Of the input (4C, D) and of the state (4C, C), and their biases (4C,);
            input gate, forget gate, cell, output gate, as in `torch.nn.LSTM`.
        states: Hidden states and cells at the start (2, items, C).
        outputs: Where the hidden states (T_i, C) of each item go.
        backwards: Whether the sequences are read from their ends.

    Returns:
        The states at the end (2, items, C).
    """
    of_input, of_state, bias_input, bias_state = weights
    bias = bias_input + bias_state
    lengths, width = list(map(len, items)), of_state.shape[1]
    columns = choose_columns(lengths, of_state.dtype)
    starting, ending = plan(lengths, columns, backwards)
    # A sequence is a column here: so the product is more than twice as fast.
    states = states.mT  # (2, C, items)
    ends = torch.empty_like(states)
    hidden, cell = states.new_zeros(2, width, columns).unbind()
    # Of each column, gates and hidden states of its block; a step has the same place
    # in all, wherever their blocks began.
    ring = min(SPAN, max(lengths))
    gates = states.new_zeros(columns, ring, 4 * width)
    shown = states.new_empty(ring, width, columns)
    now = states.new_empty(4 * width, columns)
    slabs = gcd(SLABS, 4 * width)
    weights_by_slab = of_state.view(slabs, -1, width)
    now_by_slab = now.view(slabs, -1, columns)
    hidden_by_slab = hidden.expand(slabs, -1, -1)
    keep, forget, update, show = now.chunk(4)
    squashed = now[: 2 * width]

    def places(block: Block, end: int) -> Tensor:
        """Where the frames of a block that ends before step `end` lie in the ring."""
        steps = torch.arange(end - (block.high - block.low), end, device=states.device)
        return (steps.flip(0) if backwards else steps) % ring

    last = max(ending)
    for step in range(last + 1):
        for block in ending.get(step, ()):
            out = outputs[block.item][block.low : block.high]
            out.copy_(shown[places(block, step), :, block.column])
            if block.leaves:
                ends[0, :, block.item] = hidden[:, block.column]
                ends[1, :, block.item] = cell[:, block.column]
        if step == last:
            break
        for block in starting.get(step, ()):
            part = linear(items[block.item][block.low : block.high], of_input, bias)
            end = step + block.high - block.low
            gates[block.column, places(block, end)] = part.to(gates.dtype)
            if block.enters:
                hidden[:, block.column] = states[0, :, block.item]
                cell[:, block.column] = states[1, :, block.item]
        place = step % ring
        if of_state.dtype == hidden.dtype:
            before = gates[:, place].view(columns, slabs, -1).permute(1, 2, 0)
            torch.baddbmm(before, weights_by_slab, hidden_by_slab, out=now_by_slab)
        else:
            product = of_state @ hidden.to(of_state.dtype)
            torch.add(gates[:, place].mT, product, out=now)
        squashed.sigmoid_()
        update.tanh_()
        show.sigmoid_()
        cell.mul_(forget).addcmul_(keep, update)
        torch.mul(torch.tanh(cell, out=hidden), show, out=hidden)
        shown[place] = hidden
    return ends.mT
