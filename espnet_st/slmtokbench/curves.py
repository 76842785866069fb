"""Training curves of ESPnet experiments, read from their train.log files."""

from __future__ import annotations

import re
from pathlib import Path

_EPOCH = re.compile(r"(\d+)epoch results: (.*)")
_PART = re.compile(r"\[(\w+)\] ([^\[]*)")
_PAIR = re.compile(r"(\w+)=([-+.\deE]+|nan|inf)(?=,|\s|$)")

Curves = dict[str, dict[str, list[tuple[int, float]]]]


def read_curves(exp: Path) -> Curves:
    """All figures that ESPnet logged after each epoch.

    A resumed training moves the log to `train.1.log` and so on; an epoch that was
    logged more than once counts as it was last.

    Args:
        exp: experiment directory.

    Returns:
        "train" or "valid" to name to (epoch, value) pairs in order; empty if nothing
        was logged.
    """
    logs = sorted(exp.glob("train*.log"), key=lambda path: path.stat().st_mtime)
    found: dict[str, dict[str, dict[int, float]]] = {}
    for log in logs:
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            match = _EPOCH.search(line)
            if match is None:
                continue
            for part, pairs in _PART.findall(match[2]):
                for name, value in _PAIR.findall(pairs):
                    series = found.setdefault(part, {}).setdefault(name, {})
                    series[int(match[1])] = float(value)
    return {
        part: {name: sorted(series.items()) for name, series in names.items()}
        for part, names in found.items()
    }
