"""Translating the USLM release's tensor names and sizes to ours, and back.

Both codes build the same layers, so converting is renaming. The release has no
configuration: its sizes are read from the tensors' shapes. Files are read and written
by `exchange_uslm`, its text tokens are in `official_symbols`. Facts are from
0nutation/USLM (`models/uslm.py`, `models/valle.py`) and lifeiteng/vall-e
(`valle/modules`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from espnet_st.uslm.uslm import USLM

N_HEADS = 16
"""Attention heads of the release; no tensor's shape tells them."""

FFN_RATIO = 4
"""Width of the feed-forward part over that of the model, fixed in the official code."""

RENAMES = (
    (r"^(ar|nar)\.decoder\.", r"\1_decoder."),
    (r"^nar\.codes\.embeddings\.", "nar_audio_embeddings."),
    (r"^nar\.codes\.predict_layers\.", "nar_predict_layers."),
    (r"^nar\.stage_embeddings\.", "nar_stage_embeddings."),
    (r"^(ar|nar)\.", r"\1_"),
    (r"(_embeddings?(\.\d+)?)\.weight$", r"\1.word_embeddings.weight"),
)
"""Patterns of our tensors' names and what the official code calls it, in order."""

TEXT_TABLE = "ar_text_embedding.word_embeddings.weight"
SCORES = "ar_predict_layer.weight"


def conf_from_official(
    state: Mapping[str, Tensor], n_heads: int = N_HEADS
) -> dict[str, Any]:
    """Make the arguments that build the model of an official state dict.

    Sizes are read where they can be; whether all else fits them is for the caller to
    check.

    Args:
        state: Tensors by their official names.
        n_heads: Attention heads that the model was trained with.

    Returns:
        Arguments of `USLM`: `idim`, `odim` and those of `tts_conf`.

    Raises:
        ValueError: If it is no USLM, or `n_heads` cannot be its number of heads.
    """
    for name in (TEXT_TABLE, SCORES):
        if name not in state or state[name].dim() != 2 or not state[name].numel():
            raise ValueError(
                f"the checkpoint has no table {name}: is it of an official USLM?"
            )
    vocab_size, d_model = state[TEXT_TABLE].shape
    if n_heads < 1 or d_model % (2 * n_heads):
        raise ValueError(
            f"a model of width {d_model} cannot have {n_heads} attention heads: give "
            "the n_heads that it was trained with"
        )
    n_layers = _count(state, r"^(?:ar|nar)_decoder\.layers\.(\d+)\.")
    return dict(
        idim=vocab_size,
        odim=1 + _count(state, r"^nar_(?:predict_layers|stage_embeddings)\.(\d+)\."),
        codebook_size=state[SCORES].shape[0] - 1,
        d_model=d_model,
        n_heads=n_heads,
        ar_layers=n_layers,
        nar_layers=n_layers,
        ffn_size=FFN_RATIO * d_model,
        nar_stages="release",
        nar_prompt="none",
    )


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """Count the numbers that the names have at this place, at least 1.

    Not the largest number: a damaged file could ask for any model with it.
    """
    found = map(re.compile(pattern).match, state)
    return max(1, len({match[1] for match in found if match}))


def build_on_meta(conf: Mapping[str, Any]) -> USLM:
    """Build a model that takes no memory, to tell its names and shapes."""
    with torch.device("meta"):
        return USLM(**conf)


def official_names(model: USLM) -> dict[str, str]:
    """Give the official name of each tensor of a model, by our name."""
    names = {}
    for key in model.state_dict():
        name = key
        for pattern, replacement in RENAMES:
            name = re.sub(pattern, replacement, name)
        names[key] = name
    return names


def shared_names(model: USLM) -> dict[str, str]:
    """Give our names that are second names of one tensor, and the first of each."""
    first: dict[int, str] = {}
    return {
        key: first[id(parameter)]
        for key, parameter in model.named_parameters(remove_duplicate=False)
        if first.setdefault(id(parameter), key) != key
    }


def state_from_official(state: Mapping[str, Tensor], model: USLM) -> dict[str, Tensor]:
    """Rename the tensors of an official state dict to ours.

    Args:
        state: All that `official_names` expects.
        model: Tells the names; its own tensors may be on the meta device.

    Raises:
        ValueError: If tensors that are one in our model differ.
    """
    names = official_names(model)
    ours = {key: state[name] for key, name in names.items()}
    for key, first in shared_names(model).items():
        if not torch.equal(ours[key], ours[first]):
            raise ValueError(
                f"{names[key]} and {names[first]} differ: the model was trained with "
                "--share-embedding false, which USLM here does not have"
            )
        ours[key] = ours[first]
    return ours


def state_to_official(state: Mapping[str, Tensor], model: USLM) -> dict[str, Tensor]:
    """Rename our tensors as the official code; what is shared is one tensor.

    Args:
        state: All of the model's tensors.
        model: Tells the names; its own tensors may be on the meta device.
    """
    shared = shared_names(model)
    return {
        name: state[shared.get(key, key)] for key, name in official_names(model).items()
    }


def options_to_official(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options of the official command line that build a model.

    Args:
        conf: Arguments of `USLM`.

    Returns:
        Values of its options, by name, and the two constants of its `macros.py`.

    Raises:
        ValueError: If the official code cannot build that model; what it cannot have
            is named.
    """
    model = build_on_meta(conf)
    model.need("ar", "nar")
    assert model.ar is not None and model.nar is not None
    width, layers = model.ar.predict_layer.in_features, len(model.ar.decoder.layers)
    plain = dict(
        codebook_size=model.codebook_size,
        d_model=width,
        n_heads=width // model.ar.decoder.head_size,
        ar_layers=layers,
        nar_layers=layers,
        ffn_size=FFN_RATIO * width,
    )
    theirs = build_on_meta(dict(idim=model.idim, odim=model.n_q) | plain).state_dict()
    ours = model.state_dict()
    lost = [
        key for key in ours if key not in theirs or ours[key].shape != theirs[key].shape
    ]
    lost += [key for key in theirs if key not in ours]
    if lost:
        raise ValueError(
            f"the official code cannot build this model: {len(lost)} tensors would be "
            f"others there, {', '.join(lost[:5])}. It has sine positions, tables of "
            "embeddings, as many layers in both parts and ffn_size 4 * d_model"
        )
    return {
        "decoder-dim": width,
        "nhead": plain["n_heads"],
        "num-decoder-layers": layers,
        "num-quantizers": model.n_q,
        "prefix-mode": 1 if model.nar.whole_prompt else 0,
        "NUM_TEXT_TOKENS": model.idim,
        "NUM_AUDIO_TOKENS": model.codebook_size,
    }
