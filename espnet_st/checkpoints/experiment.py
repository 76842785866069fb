"""Writing an experiment directory as ESPnet leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump
from torch import Tensor


def make_directory(path: Path) -> None:
    """Make `path`.

    Raises:
        ValueError: If there is something in it already.
    """
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise ValueError(f"{path} is not empty: give a new output_dir")


def write_experiment(
    directory: Path,
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    comment: str = "",
) -> None:
    """Write `config.yaml` and `latest.pth`.

    Args:
        directory: Where to; it exists.
        config: All options of ESPnet's task.
        state: The checkpoint.
        comment: First line of `config.yaml`.
    """
    text = yaml_no_alias_safe_dump(dict(config), indent=4, sort_keys=False)
    first = f"# {comment}\n" if comment else ""
    (directory / "config.yaml").write_text(first + text, encoding="utf-8")
    torch.save(dict(state), directory / "latest.pth")
