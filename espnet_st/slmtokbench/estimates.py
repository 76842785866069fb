"""Figures with their draws on disk, so that runs of several seeds can be compared.

A figure's name has three parts: the system's key in the list of systems (without a
seed), what was measured ("rvq1", "rvq1_8", "vc_rvq2_4", "tts"), and the figure ("mi",
"downstream_wer", "wer", "sim", "pnmi"). The file is an `.npz` with an array for each:
the value, then its draws.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from espnet_st.slmtokbench.bootstrap import Estimate

Name = tuple[str, str, str]
Estimates = dict[Name, Estimate]
FILE = "estimates.npz"
"""Name of the file in a directory of results."""


def write_estimates(path: Path, estimates: Mapping[Name, Estimate]) -> None:
    """Write figures and draws; a reader sees the old file or the whole new one."""
    arrays = {
        "/".join(name): np.concatenate([[one.value], one.draws]).astype(np.float32)
        for name, one in estimates.items()
    }
    partial = path.with_name(f"{path.stem}.partial.npz")
    np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def read_estimates(path: Path) -> Estimates:
    """Read what `write_estimates` wrote.

    Raises:
        ValueError: If the file is missing or of another form.
    """
    if not path.is_file():
        raise ValueError(f"no {path}; stage 8 makes it")
    try:
        with np.load(path) as arrays:
            found = {tuple(name.split("/")): arrays[name] for name in arrays}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no file of figures: {error}") from error
    if any(len(name) != 3 or len(row) < 2 for name, row in found.items()):
        raise ValueError(f"{path}: expected names of three parts, with their draws")
    return {name: Estimate(float(row[0]), row[1:]) for name, row in found.items()}
