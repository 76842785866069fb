"""An LSTM over many sequences, of which each gets the same bits beside any others.

All products but those of the steps have sizes that depend on one sequence alone. In the
steps each sequence runs by itself, or is a column of a product of so many columns that
neither their number nor its place among them changes its bits. Libraries choose the
order of their sums by the sizes of a product, so which numbers of columns these are is
found out on the machine at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import torch
from torch import Tensor

from espnet_st.kernels.choice import choose, seconds
from espnet_st.kernels.columns import PRODUCTS, Product, as_it_is
from espnet_st.kernels.lstm_steps import run_alone, run_columns

COLUMNS = 8, 16, 32
"""How many columns a step may have, where their bits are alike."""
SMALL = 2**19
"""Weights of a state that stay at hand: how they are multiplied hardly matters."""
VECTOR = 32
"""Values that torch computes at once: sigmoid and tanh of those left over at the end
have other bits now and then, too seldom for `alike` to see it in small states."""
STEPS = 12
"""Steps by which the cost of columns is measured."""

Run = Callable[
    [Sequence[Tensor], Sequence[Tensor], Tensor, Sequence[Tensor], bool], Tensor
]
"""See `lstm_steps.run_alone`."""


def recur(
    items: Sequence[Tensor],
    weights: Sequence[Tensor],
    states: Tensor,
    outputs: Sequence[Tensor],
    backwards: bool,
) -> Tensor:
    """Run one direction of one LSTM layer over sequences of any lengths.

    Arguments and result are those of `lstm_steps.run_alone`.
    """
    of_state = weights[1]
    run = choose_run(of_state.shape[1], of_state.dtype, of_state.device, COLUMNS)
    return run(items, weights, states, outputs, backwards)


@lru_cache
def choose_run(
    width: int, dtype: torch.dtype, device: torch.device, counts: tuple[int, ...]
) -> Run:
    """Choose how to compute steps, once per process.

    It is what is fastest for some sequences alone and more of them in batches; where
    the weights are small, columns if they can be had. `ESPNET_ST_LSTM` may name another
    way: `slabs`, `convolution` or `alone`.

    Args:
        width: Of the states, C.
        dtype: Of the weights.
        device: Where they are.
        counts: Numbers of columns to choose from.
    """
    if width % VECTOR:  # the last values of a row of gates would be computed apart
        counts = counts[:1]
    draw = torch.Generator().manual_seed(0)
    made = [torch.randn(4 * width, width, generator=draw) for _ in range(2)]
    made += [torch.randn(4 * width, generator=draw) for _ in range(2)]
    weights = [x.mul_(width**-0.5).to(device, dtype) for x in made]
    if dtype != torch.float32:
        # Each alone would have its states, too, in half precision.
        same = alike(as_it_is, weights, counts) or (1,)
        return partial(run_columns, same, as_it_is)
    runs: dict[str, Run] = {}
    costs: dict[str, Callable[[], float]] = {}
    for name in ("slabs", "convolution"):
        same = alike(PRODUCTS[name], weights, counts)
        if same:
            runs[name] = partial(run_columns, same, PRODUCTS[name])
            costs[name] = partial(cost_of_columns, runs[name], weights)
    if device.type == "cpu":
        runs["alone"] = run_alone
        costs["alone"] = partial(cost_alone, weights)
    elif not runs:
        return partial(run_columns, (1,), as_it_is)
    if 4 * width**2 <= SMALL:
        costs = {name: partial(float, place) for place, name in enumerate(costs)}
    return runs[choose("lstm", (width, counts), costs)]


def alike(
    multiply: Product, weights: Sequence[Tensor], counts: Sequence[int]
) -> tuple[int, ...]:
    """Find numbers of columns beside which a sequence has the same bits, here.

    Args:
        multiply: The product of a step.
        weights: Of an LSTM layer, see `lstm_steps.run_alone`.
        counts: Numbers of columns; the first is the yardstick.

    Returns:
        Those of `counts` with which sequences have the bits that they have with the
        first; nothing if bits depend on the column even there.
    """
    draw = torch.Generator().manual_seed(0)
    width = weights[1].shape[1]
    shape = 2 * max(counts), 2, width  # two steps of each
    items = torch.randn(shape, generator=draw).to(weights[0])

    def run(count: int, items: Tensor) -> Tensor:
        kind = torch.promote_types(items.dtype, torch.float32)
        states = torch.zeros(2, len(items), width, dtype=kind, device=items.device)
        out = torch.empty_like(items, dtype=kind)
        run_columns((count,), multiply, list(items), weights, states, list(out), False)
        return out

    first = run(counts[0], items)
    if not torch.equal(run(counts[0], items.roll(1, 0)).roll(-1, 0), first):
        return ()
    return tuple(count for count in counts if torch.equal(run(count, items), first))


def cost_of_columns(run: Run, weights: Sequence[Tensor]) -> float:
    """Weigh the seconds of a step of one sequence and of eight together."""
    x = weights[0].new_zeros(STEPS, weights[0].shape[1])

    def steps(count: int) -> None:
        states = x.new_zeros(2, count, x.shape[1])
        run([x] * count, weights, states, [torch.empty_like(x)] * count, False)

    one, eight = (seconds(partial(steps, count), 2) for count in (1, 8))
    return weigh(one / STEPS, eight / STEPS)


def cost_alone(weights: Sequence[Tensor]) -> float:
    """Measure as `cost_of_columns`; eight take eight times as long as one."""
    count = 4 * STEPS  # for weights are rearranged before the first step
    x = weights[0].new_zeros(count, weights[0].shape[1])
    states, outputs = x.new_zeros(2, 1, x.shape[1]), [torch.empty_like(x)]
    one = seconds(lambda: run_alone([x], weights, states, outputs, False), 2) / count
    return weigh(one, 8 * one)


def weigh(one: float, eight: float) -> float:
    """Weigh a sequence alone against eight: most of the work comes in batches."""
    return one * eight**2
