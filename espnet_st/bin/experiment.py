"""Writing an experiment directory as ESPnet leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from espnet2.tasks.abs_task import AbsTask


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
    task: type[AbsTask],
    given: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
    comment: str = "",
) -> None:
    """Write `config.yaml` with all options of a task, and `latest.pth`.

    Args:
        directory: Where to; it exists.
        task: ESPnet's task.
        given: Options that are not the task's defaults.
        state: The checkpoint.
        comment: First line of `config.yaml`.
    """
    from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump

    config = vars(task.get_parser().parse_args([])) | given
    text = yaml_no_alias_safe_dump(config, indent=4, sort_keys=False)
    first = f"# {comment}\n" if comment else ""
    (directory / "config.yaml").write_text(first + text, encoding="utf-8")
    torch.save(dict(state), directory / "latest.pth")
