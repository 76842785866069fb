"""Finding what a training run left, and loading it strictly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

CHECKPOINTS = (
    "valid.*.ave.pth",
    "train.*.ave.pth",
    "valid.*.best.pth",
    "train.*.best.pth",
    "latest.pth",
)
"""Names that ESPnet gives its checkpoints, the preferred first."""


def find_checkpoint(directory: Path) -> Path:
    """The checkpoint to use of an experiment directory, by `CHECKPOINTS`.

    Raises:
        ValueError: If there is none, or several of the same preference.
    """
    for pattern in CHECKPOINTS:
        found = sorted(directory.glob(pattern))
        if len(found) > 1:
            names = [path.name for path in found]
            raise ValueError(f"{directory} has {names}: pass model_file to choose one")
        if found:
            return found[0]
    raise ValueError(f"{directory} has no checkpoint ({', '.join(CHECKPOINTS)}): train")


def read_config(path: Path) -> dict[str, Any]:
    """The `config.yaml` that ESPnet wrote.

    Raises:
        ValueError: If it is missing or no mapping.
    """
    if not path.is_file():
        raise ValueError(f"no {path}: is this the directory of a trained model?")
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"{path} holds {type(config).__name__}; expected a mapping")
    return config


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """A checkpoint's tensors; nothing in the file is run.

    Raises:
        ValueError: If the file is missing, damaged, or not a plain state dict.
    """
    if not path.is_file():
        raise ValueError(f"no checkpoint {path}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch.load fails in many ways on a damaged or hostile file; all mean this.
        raise ValueError(f"{path} is not a readable checkpoint: {error}") from error
    if not isinstance(state, Mapping) or not all(map(torch.is_tensor, state.values())):
        raise ValueError(f"{path} is not a state dict (a mapping of names to tensors)")
    return dict(state)


def load_strictly(
    module: nn.Module, state: Mapping[str, torch.Tensor], prefix: str = ""
) -> None:
    """Load the tensors below `prefix` into `module`.

    Raises:
        ValueError: If any is missing, unexpected or of another shape.
    """
    own = {key[len(prefix) :]: v for key, v in state.items() if key.startswith(prefix)}
    expected = module.state_dict()
    problems = [f"missing {prefix}{key}" for key in expected if key not in own]
    problems += [f"unexpected {prefix}{key}" for key in own if key not in expected]
    problems += [
        f"{prefix}{key} is {tuple(own[key].shape)}, expected {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in own and own[key].shape != tensor.shape
    ]
    if problems:
        shown = "; ".join(problems[:10])
        raise ValueError(
            f"the checkpoint does not fit the model, {len(problems)} tensors: {shown}"
        )
    module.load_state_dict(own)
