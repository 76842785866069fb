"""Time and memory of functions, measured side by side."""

from __future__ import annotations

import ctypes
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch


class Timing(NamedTuple):
    """How long something took.

    Attributes:
        clock: Seconds by the clock.
        busy: Seconds of the processors, which others on the machine disturb less.
        stolen: Share of the processors' time that the machine's other guests took.
    """

    clock: float
    busy: float
    stolen: float


def alternate(
    functions: Mapping[Any, Callable[[], Any]], repetitions: int, uncounted: int = 1
) -> tuple[dict[Any, Timing], dict[Any, Any]]:
    """Run each function in turn, several times after some that do not count.

    Returns:
        The medians of what each took, and what each gave last.
    """
    taken: dict[Any, list[Timing]] = {name: [] for name in functions}
    results = {}
    for repetition in range(-uncounted, repetitions):
        for name, function in functions.items():
            start = _now()
            results[name] = function()
            if repetition >= 0:
                clock, busy, stolen, wanted = (
                    after - before for after, before in zip(_now(), start)
                )
                taken[name].append(Timing(clock, busy, stolen / max(wanted, 1)))
    medians = {
        name: Timing(*map(statistics.median, zip(*each)))
        for name, each in taken.items()
    }
    return medians, results


def _now() -> tuple[float, float, int, int]:
    """Seconds by the clock and of the processors; ticks stolen, and not idle.

    A GPU does first what it was asked to do.
    """
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    ticks = list(map(int, Path("/proc/stat").read_text().split()[1:9]))
    idle = ticks[3] + ticks[4]
    return time.perf_counter(), _processor_seconds(), ticks[7], sum(ticks) - idle


def _processor_seconds() -> float:
    """Of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def peak_memory(function: Callable[[], Any], device: str = "cpu") -> float:
    """MiB by which the process, or what torch holds on a GPU, grows at most.

    Args:
        function: What is run meanwhile.
        device: `cuda`, or `cpu`, which works on Linux only.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
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
