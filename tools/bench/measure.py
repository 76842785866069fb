"""Time and memory of functions, measured side by side."""

from __future__ import annotations

import ctypes
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def alternate(
    functions: Mapping[str, Callable[[], Any]], repetitions: int
) -> tuple[dict[str, tuple[float, float]], dict[str, Any]]:
    """Run each function in turn, several times; the first time is not counted.

    Returns:
        The median seconds of each, by the clock and of the processors (which others on
        the machine disturb less), and what each gave last.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    results = {}
    for repetition in range(repetitions + 1):
        for name, function in functions.items():
            start = time.perf_counter(), _processor_seconds()
            results[name] = function()
            if repetition:
                taken = time.perf_counter() - start[0], _processor_seconds() - start[1]
                seconds[name].append(taken)
    medians = {
        name: tuple(map(statistics.median, zip(*taken)))
        for name, taken in seconds.items()
    }
    return medians, results


def _processor_seconds() -> float:
    """Of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def peak_memory(function: Callable[[], Any]) -> float:
    """MiB by which the process grows at most while `function` runs (Linux)."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
    before = _status("VmRSS")
    function()
    return _status("VmHWM") - before


def table(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    return "\n".join(map(table_row, [header, ["---"] * len(header), *rows]))


def table_row(cells: list[Any]) -> str:
    """A row of one."""
    return "|" + "|".join(map(str, cells)) + "|"
