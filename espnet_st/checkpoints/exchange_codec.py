"""Importing an official codec as an experiment, and exporting one to that form."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from espnet_st.checkpoints.experiment import make_directory, write_experiment
from espnet_st.checkpoints.loading import (
    GENERATOR,
    OFFICIAL_CHECKPOINT,
    check_state,
    load_codec,
)
from espnet_st.checkpoints.official_codec import (
    conf_from_official,
    conf_to_official,
    state_to_official,
)
from espnet_st.codec.generator import Generator

KEPT = "official.json"
"""The official `config.json` as it came, kept in an experiment directory made of it."""


def import_codec(
    source: str,
    output: Path,
    model_file: Path | None = None,
    task_options: Mapping[str, Any] | None = None,
) -> None:
    """Write an experiment directory of an official release.

    Its `config.yaml` holds all options of ESPnet's `GANCodecTask`; `latest.pth` holds
    the generator, which is all that was released: it can be decoded with, packed, and
    trained further with `--init_param`.

    Args:
        source: A directory with `config.json` and `SpeechTokenizer.pt`.
        output: A new directory.
        model_file: Another checkpoint.
        task_options: All options of ESPnet's `GANCodecTask` with their defaults.

    Raises:
        ValueError: If a file is missing, damaged, or does not fit the other.
    """
    conf, state = load_codec(source, model_file)
    make_directory(output)
    config = dict(task_options or {})
    config |= {"codec": "speechtokenizer", "codec_conf": conf}
    write_experiment(output, config, state)
    shutil.copyfile(Path(source) / "config.json", output / KEPT)


def export_codec(source: str, output: Path, model_file: Path | None = None) -> None:
    """Write `config.json` and `SpeechTokenizer.pt` of a codec that ESPnet trained.

    A release that `import_codec` read gets its own `config.json` again; else it has the
    options that shape the model and no others.

    Args:
        source: What `AudioCoding.from_pretrained` takes.
        output: A new directory.
        model_file: Its checkpoint; by default the one that `source` has.

    Raises:
        ValueError: If a file is missing or damaged, or the official code cannot have
            such a model.
    """
    conf, state = load_codec(source, model_file)
    config = conf_to_official(conf)
    with torch.device("meta"):
        generator = Generator(**conf)
    own = {key: tensor for key, tensor in state.items() if key.startswith(GENERATOR)}
    shapes = generator.state_dict()
    check_state({GENERATOR + key: shape for key, shape in shapes.items()}, own)
    own = {key.removeprefix(GENERATOR): tensor for key, tensor in own.items()}
    state = state_to_official(own, generator)
    text = json.dumps(config, indent=4)
    kept = Path(source) / KEPT
    if kept.is_file():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if conf_from_official(known) == conf_from_official(config):
            text = kept.read_text(encoding="utf-8")
    make_directory(output)
    (output / "config.json").write_text(text, encoding="utf-8")
    torch.save(state, output / OFFICIAL_CHECKPOINT)
