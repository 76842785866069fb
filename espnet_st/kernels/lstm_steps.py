"""The steps of an LSTM over several sequences: each alone, or all at once as columns.

Reading the weights is what a step costs, and it costs nearly the same for one sequence
and for sixteen, if the weights are far and the product is a good one. Which of these
ways is taken is a matter of `kernels.lstm`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from espnet_st.kernels.columns import Product

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


def choose_columns(
    lengths: Sequence[int], counts: Sequence[int], dtype: torch.dtype
) -> int:
    """Choose how many columns take the least time, of `counts`.

    The steps are as many as the longest sequence has frames, or more if the columns are
    few. What one costs for any number of columns weighs as much as ten columns do, or,
    where weights are of half precision, a hundred.
    """
    fixed = 10 if dtype == torch.float32 else 100

    def cost(columns: int) -> int:
        return max(max(lengths), -(-sum(lengths) // columns)) * (fixed + columns)

    return min(counts, key=cost)


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


def run_alone(
    items: Sequence[Tensor],
    weights: Sequence[Tensor],
    states: Tensor,
    outputs: Sequence[Tensor],
    backwards: bool,
) -> Tensor:
    """Run one direction of one LSTM layer over sequences, each by itself.

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
    ends = torch.empty_like(states)
    for item, out, state, end in zip(
        items, outputs, states.unbind(1), ends.unbind(1), strict=True
    ):
        x = item.flip(0) if backwards else item
        start = list(state[:, None, None])  # (1, 1, C) each
        hidden, *last = torch.lstm(
            x[:, None], start, list(weights), True, 1, 0.0, False, False, False
        )
        out.copy_(hidden[:, 0].flip(0) if backwards else hidden[:, 0])
        end.copy_(torch.cat(last)[:, 0])
    return ends


def run_columns(
    counts: Sequence[int],
    multiply: Product,
    items: Sequence[Tensor],
    weights: Sequence[Tensor],
    states: Tensor,
    outputs: Sequence[Tensor],
    backwards: bool,
) -> Tensor:
    """Run as `run_alone`, sequences being columns of the products of steps.

    Args:
        counts: Numbers of columns to choose from.
        multiply: The product of a step.
        items: See `run_alone`.
        weights: See there.
        states: See there.
        outputs: See there.
        backwards: See there.
    """
    of_input, of_state, bias_input, bias_state = weights
    bias = bias_input + bias_state
    lengths, width = list(map(len, items)), of_state.shape[1]
    columns = choose_columns(lengths, counts, of_state.dtype)
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
    keep, forget, update, show = now.chunk(4)
    squashed = now[: 2 * width]

    def places(block: Block, end: int) -> Tensor:
        """Find where frames of a block that ends before step `end` lie in the ring."""
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
        torch.add(gates[:, place].mT, multiply(of_state, hidden), out=now)
        squashed.sigmoid_()
        update.tanh_()
        show.sigmoid_()
        cell.mul_(forget).addcmul_(keep, update)
        torch.mul(torch.tanh(cell, out=hidden), show, out=hidden)
        shown[place] = hidden
    return ends.mT
