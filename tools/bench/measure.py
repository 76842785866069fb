"""Measure time and memory of functions, side by side."""

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
    """Hold how long something took.

    Attributes:
        clock: Seconds by the clock.
        busy: Seconds of processor time, which other work on the machine disturbs less.
        stolen: Share of the processor time that the machine's other guests took.
    """

    clock: float
    busy: float
    stolen: float


def alternate(
    functions: Mapping[Any, Callable[[], Any]], repetitions: int, uncounted: int = 1
) -> tuple[dict[Any, Timing], dict[Any, Any]]:
    """Run the functions in turn, several times, and time each run.

    Args:
        functions: What to run, by name.
        repetitions: Runs of each that count.
        uncounted: Runs of each before them that do not.

    Returns:
        The medians of what each run took, and the last result of each function.
    """
    taken: dict[Any, list[Timing]] = {name: [] for name in functions}
    results = {}
    for repetition in range(-uncounted, repetitions):
        for name, function in functions.items():
            start = _now()
            results[name] = function()
            if repetition >= 0:
                clock, busy, stolen, busy_ticks = (
                    after - before for after, before in zip(_now(), start)
                )
                taken[name].append(Timing(clock, busy, stolen / max(busy_ticks, 1)))
    medians = {
        name: Timing(*map(statistics.median, zip(*each)))
        for name, each in taken.items()
    }
    return medians, results


def _now() -> tuple[float, float, int, int]:
    """Read the clock and /proc/stat, once a GPU has done what it was asked to do.

    Returns:
        Seconds by the clock, seconds of processor time of this process, and of the
        whole machine the ticks that were stolen and those that were not idle.
    """
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    ticks = list(map(int, Path("/proc/stat").read_text().split()[1:9]))
    idle = ticks[3] + ticks[4]
    return time.perf_counter(), _processor_seconds(), ticks[7], sum(ticks) - idle


def _processor_seconds() -> float:
    """Return seconds of processor time of this process and those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _status(field: str) -> float:
    """Return a field of /proc/self/status in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def peak_memory(function: Callable[[], Any], device: str = "cpu") -> float:
    """Run a function and return the most MiB by which memory grew meanwhile.

    Args:
        function: What to run.
        device: `cpu` for the memory of the process, on Linux only; `cuda` for what
            torch holds on the GPU.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        allocated = torch.cuda.memory_allocated()
        function()
        return (torch.cuda.max_memory_allocated() - allocated) / 2**20
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
    before = _status("VmRSS")
    function()
    return _status("VmHWM") - before


def table(header: list[str], rows: list[list[Any]]) -> str:
    """Format a Markdown table."""
    return "\n".join(map(table_row, [header, ["---"] * len(header), *rows]))


def table_row(cells: list[Any]) -> str:
    """Format a row of a Markdown table."""
    return "|" + "|".join(map(str, cells)) + "|"
