"""Training curves, read from ESPnet's train.log files or a curve.json."""

from __future__ import annotations

import json
import re
from pathlib import Path

_EPOCH = re.compile(r"(\d+)epoch results: (.*)")
_PART = re.compile(r"\[(\w+)\] ([^\[]*)")
_PAIR = re.compile(r"(\w+)=([-+.\deE]+|nan|inf)(?=,|\s|$)")

Curves = dict[str, dict[str, list[tuple[int, float]]]]


def read_curves(exp: Path) -> Curves:
    """Read what ESPnet logged after each epoch, or our teacher at its steps.

    A resumed ESPnet training moves its log to `train.1.log` and so on; an epoch that
    was logged more than once counts as it was last. A `curve.json` is a list of rows
    with `step` and figures named `train_*` or `valid_*`.

    Args:
        exp: experiment directory.

    Returns:
        "train" or "valid" to name to (epoch or step, value) pairs in order; empty if
        nothing was logged.
    """
    found: dict[str, dict[str, dict[int, float]]] = {}
    curve = exp / "curve.json"
    for row in json.loads(curve.read_text()) if curve.is_file() else []:
        for key, value in row.items():
            part, _, name = key.partition("_")
            if part in ("train", "valid"):
                found.setdefault(part, {}).setdefault(name, {})[row["step"]] = value
    logs = sorted(exp.glob("train*.log"), key=lambda path: path.stat().st_mtime)
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
