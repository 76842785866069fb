"""Merging an AR model and a NAR model that were trained apart to one USLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet_st.checkpoints.loading import (
    check_state,
    find_checkpoint,
    load_state,
    read_config,
)
from espnet_st.uslm.uslm import USLM

SHARED = ("tts", "odim", "token_list", "token_type", "cleaner", "g2p", "bpemodel")
"""What of two configurations must be the same, besides `tts_conf` but its `train`."""


def merge_halves(ar: Path, nar: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Merge the halves of a USLM from two experiment directories.

    Args:
        ar: Of a run with `train: ar`; configuration and aligner are taken from it.
        nar: Of a run with `train: nar`.

    Returns:
        Configuration and tensors of the whole model, as ESPnet would have left them.

    Raises:
        ValueError: If one is of another kind, or they do not fit together.
    """
    configs = {}
    for half, directory in (("ar", ar), ("nar", nar)):
        config = configs[half] = read_config(directory / "config.yaml")
        train = (config.get("tts_conf") or {}).get("train")
        if config.get("tts") != "uslm" or train != half:
            raise ValueError(
                f"{directory} is of tts {config.get('tts')!r} with train: {train}; "
                f"expected 'uslm' with train: {half}"
            )
    one, other = ({**c, **c["tts_conf"], "train": None} for c in configs.values())
    keys = [*SHARED, *configs["ar"]["tts_conf"], *configs["nar"]["tts_conf"]]
    differing = sorted({key for key in keys if one.get(key) != other.get(key)})
    if differing:
        raise ValueError(f"{ar} and {nar} differ in {', '.join(differing)}")
    config = configs["ar"]
    config["tts_conf"]["train"] = "both"
    state = load_state(find_checkpoint(nar))
    state = {key: value for key, value in state.items() if key.startswith("tts.nar.")}
    state |= load_state(find_checkpoint(ar))
    with torch.device("meta"):
        model = USLM(len(config["token_list"]), config["odim"], **config["tts_conf"])
    check_state({f"tts.{key}": v for key, v in model.state_dict().items()}, state)
    return config, state
