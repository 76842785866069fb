"""Time and memory of functions, measured side by side."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def alternate(
    functions: Mapping[str, Callable[[], Any]], repetitions: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Run each function in turn, several times; the first time is not counted.

    Returns:
        The median seconds of each, and what each gave last.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    results = {}
    for repetition in range(repetitions + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            results[name] = function()
            if repetition:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}, results


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
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("|" + "|".join(map(str, line)) + "|" for line in lines)
