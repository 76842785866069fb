"""Importing an official USLM as an experiment, and exporting one to that form."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from espnet_st.checkpoints.experiment import make_directory, write_experiment
from espnet_st.checkpoints.loading import check_state
from espnet_st.checkpoints.official_symbols import (
    read_symbols,
    special_token_ids,
    symbols_of,
    write_symbols,
)
from espnet_st.checkpoints.official_uslm import (
    N_HEADS,
    build_on_meta,
    options_to_official,
    state_to_official,
)
from espnet_st.checkpoints.sources import CODEC
from espnet_st.checkpoints.uslm_release import (
    CHECKPOINT,
    STATE,
    TTS,
    load_uslm,
    read_release,
    symbols_file,
)

SYMBOLS = "unique_text_tokens.k2symbols"
KEPT = "official.k2symbols"
"""The k2symbols file as it came, kept in an experiment directory made of it."""

COMMENT = (
    "phonemes of an official USLM: phonemizer, espeak en-us, no stress, words apart by "
    "_ (espnet_st.inference.espeak.phonemes). ESPnet's own tasks do not know g2p "
    "espeak_uslm: give them the phonemes and --g2p none"
)


def import_uslm(
    source: Path,
    output: Path,
    model_file: Path | None = None,
    codec: str | None = None,
    n_heads: int = N_HEADS,
    task_options: Mapping[str, Any] | None = None,
) -> None:
    """Write an experiment directory of an official release.

    Its `config.yaml` holds all options of ESPnet's `TTSTask`; `latest.pth` can be
    spoken with, packed, and trained further with `--init_param`.

    Args:
        source: A directory with `USLM.pt` and a k2symbols file.
        output: A new directory.
        model_file: Another checkpoint.
        codec: Directory of the codec that made its codes, to name in `codec.yaml`.
        n_heads: Attention heads that the model was trained with.
        task_options: All options of ESPnet's `TTSTask` with their defaults.

    Raises:
        ValueError: If a file is missing, damaged, or does not fit the other.
    """
    config, state = read_release(source, model_file, n_heads)
    if codec and not Path(codec).exists():
        raise ValueError(f"no codec {codec}: give its directory, or leave it out")
    make_directory(output)
    config = dict(task_options or {}) | config
    write_experiment(output, config, state, COMMENT)
    shutil.copyfile(symbols_file(source), output / KEPT)
    if codec:
        text = yaml.safe_dump({"codec": str(Path(codec).resolve())})
        (output / CODEC).write_text(text, encoding="utf-8")


def export_uslm(source: Path, output: Path, model_file: Path | None = None) -> None:
    """Write `USLM.pt` and a k2symbols file of a USLM that ESPnet trained.

    The options that the official command line needs for it are logged. A release that
    `import_uslm` converted gets its own k2symbols file again.

    Args:
        source: An experiment directory.
        output: A new directory.
        model_file: Its checkpoint; by default the best one.

    Raises:
        ValueError: If a file is missing or damaged, or the official code cannot have
            such a model.
    """
    config, state = load_uslm(source / "config.yaml", model_file)
    tokens = config["token_list"]
    conf = dict(config["tts_conf"], idim=len(tokens), odim=config["odim"])
    symbols = symbols_of(tokens)
    if list(conf.get("text_marks") or []) != special_token_ids(tokens):
        raise ValueError(
            f"text_marks are {conf.get('text_marks')}: the official code has <bos>, _ "
            f"and <eos> around texts, {special_token_ids(tokens)}; train the model "
            "with them"
        )
    options = options_to_official(conf)
    model = build_on_meta(conf)
    check_state({TTS + key: shape for key, shape in model.state_dict().items()}, state)
    state = {key.removeprefix(TTS): tensor for key, tensor in state.items()}
    text, kept = write_symbols(symbols), source / KEPT
    if kept.is_file():
        known = kept.read_text(encoding="utf-8")
        text = known if sorted(read_symbols(known)) == symbols else text
    make_directory(output)
    (output / SYMBOLS).write_text(text, encoding="utf-8")
    torch.save({STATE: state_to_official(state, model)}, output / CHECKPOINT)
    flags = " ".join(f"{name} {value}" for name, value in options.items())
    logging.info("options and constants of the official code: %s", flags)
