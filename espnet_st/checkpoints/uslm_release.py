"""Reading the files of an official USLM release as an experiment's.

A release is a directory with `USLM.pt`, which holds `{"model": state dict}`, and a
k2symbols file of its text tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from espnet_st.checkpoints.loading import (
    check_kind,
    check_state,
    find_checkpoint,
    load_state,
    read_config,
)
from espnet_st.checkpoints.official_symbols import (
    read_symbols,
    special_token_ids,
    token_list,
)
from espnet_st.checkpoints.official_uslm import (
    N_HEADS,
    build_on_meta,
    conf_from_official,
    official_names,
    state_from_official,
)
from espnet_st.checkpoints.sources import packed_root, resolve_packed

CHECKPOINT = "USLM.pt"
STATE = "model"
"""Where in the checkpoint the state dict is."""

SYMBOLS = "*.k2symbols"

TTS = "tts."
"""What the names of a TTS model's tensors start with in an ESPnet checkpoint."""


G2P = "espeak_uslm"
"""Name, in a `config.yaml`, of the release's phonemes; see `inference.espeak`."""


def is_release(directory: Path) -> bool:
    """Tell whether a directory looks like a release, and like no experiment."""
    if (directory / "config.yaml").is_file():
        return False
    return any(directory.glob(SYMBOLS)) or (directory / CHECKPOINT).is_file()


def symbols_file(directory: Path) -> Path:
    """Find the k2symbols file of a release.

    Raises:
        ValueError: If there is none, or several.
    """
    found = sorted(directory.glob(SYMBOLS))
    if len(found) != 1:
        raise ValueError(
            f"{directory} has {[path.name for path in found] or 'no k2symbols file'}: "
            "expected one file of text tokens, e.g. unique_text_tokens.k2symbols"
        )
    return found[0]


def read_release(
    directory: Path, model_file: str | Path | None = None, n_heads: int = N_HEADS
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a release as what ESPnet would have left of its training.

    Args:
        directory: With the k2symbols file and, by default, the checkpoint.
        model_file: Another checkpoint.
        n_heads: Attention heads that the model was trained with.

    Returns:
        Options of ESPnet's `TTSTask`, and a state dict with names `tts.*`.

    Raises:
        ValueError: If a file is missing, damaged, or does not fit the other.
    """
    path = symbols_file(directory)
    try:
        symbols = read_symbols(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of which not being UTF-8 is one
        raise ValueError(f"{path}: {error}") from error
    checkpoint = Path(model_file or directory / CHECKPOINT)
    state = load_state(checkpoint, STATE)
    conf = conf_from_official(state, n_heads)
    tokens = token_list(symbols, conf["idim"])
    conf["text_marks"] = special_token_ids(tokens)
    model = build_on_meta(conf)
    shapes, names = model.state_dict(), official_names(model)
    check_state({name: shapes[key] for key, name in names.items()}, state)
    ours = state_from_official(state, model)
    del conf["idim"]
    config = dict(
        tts="uslm",
        odim=conf.pop("odim"),
        tts_conf=conf,
        token_list=tokens,
        token_type="phn",
        g2p=G2P,
        cleaner=None,
        normalize=None,
    )
    return config, {TTS + key: tensor for key, tensor in ours.items()}


def load_uslm(
    config: Path, model_file: str | Path | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load a trained USLM's configuration and tensors, of ESPnet or official.

    Args:
        config: ESPnet's `config.yaml`; or what would be its path, in the directory of
            an official release.
        model_file: The checkpoint; by default the best one beside the config.

    Raises:
        ValueError: If a file is missing or damaged, or of another model.
    """
    if is_release(config.parent):
        return read_release(config.parent, model_file)
    options = read_config(config)
    check_kind(options, "tts", "uslm", config)
    state = load_state(Path(model_file or find_checkpoint(config.parent)))
    return resolve_packed(options, packed_root(config)), state
