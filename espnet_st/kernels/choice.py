"""Choosing among several forms of one computation, by a short timing.

Which form is fastest depends on the processor and on the libraries' support for it. A
choice is made once per process and kept: forms may differ in the last bits, and a
process must not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Mapping

_chosen: dict[tuple[str, Hashable], str] = {}


def choose(kind: str, key: Hashable, costs: Mapping[str, Callable[[], float]]) -> str:
    """Choose a form of a computation, the same one whenever asked again.

    Args:
        kind: What is computed. The environment variable `ESPNET_ST_<KIND>` may name
            the form to use; it is heeded where that form is among `costs`.
        key: Sizes that the choice depends on.
        costs: What tells the cost of each form, from the preferred one on. Nothing is
            measured where there is one form only.

    Returns:
        The name of the form of least cost.
    """
    if (kind, key) not in _chosen:
        named = os.environ.get(f"ESPNET_ST_{kind.upper()}", "")
        names = [named] if named in costs else list(costs)
        best = names[0]
        if len(names) > 1:
            measured = {name: costs[name]() for name in names}
            best = min(measured, key=measured.__getitem__)
        _chosen[kind, key] = best
    return _chosen[kind, key]


def seconds(function: Callable[[], object], repetitions: int = 3) -> float:
    """Measure the shortest of some runs; one more, uncounted, goes before."""
    function()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
