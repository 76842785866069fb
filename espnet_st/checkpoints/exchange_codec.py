"""Converting codecs between ESPnet's, the official and Hugging Face's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet_st.checkpoints.experiment import make_directory, write_experiment
from espnet_st.checkpoints.hugging_face import is_hugging_face, write_hugging_face
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
"""An official `config.json` as it came, kept by what is made of the release."""

FORMS = ("espnet", "official", "huggingface")
"""An experiment directory; `config.json` with `SpeechTokenizer.pt`; and with
`model.safetensors`."""


def form_of(source: str | Path) -> str:
    """Tell in which of `FORMS` a codec is."""
    here = Path(source)
    if (here / "config.yaml").is_file() or not (here / "config.json").is_file():
        return "espnet"
    try:
        config = json.loads((here / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        return "official"  # reading it will say what is wrong
    return "huggingface" if is_hugging_face(config) else "official"


def convert_codec(
    source: str,
    output: Path,
    form: str,
    model_file: Path | None = None,
    task_options: Mapping[str, Any] | None = None,
) -> None:
    """Write a codec in another form; its codes stay the same.

    An experiment directory gets a `config.yaml` with all options of ESPnet's
    `GANCodecTask` and a `latest.pth` with the generator, which is all that the other
    forms have: it can be decoded with, packed, and trained further with `--init_param`.
    What was made of an official release gets that one's own `config.json` again when
    it becomes one; else there are the options that shape the model and no others.

    Args:
        source: What `AudioCoding.from_pretrained` takes.
        output: A new directory.
        form: One of `FORMS`.
        model_file: Its checkpoint; by default the one that `source` has.
        task_options: All options of ESPnet's `GANCodecTask` with their defaults, for
            an experiment directory.

    Raises:
        ValueError: If a file is missing, damaged, or does not fit the other, or the
            official code cannot have such a model.
    """
    if form not in FORMS:
        raise ValueError(f"form {form!r} is unknown; choose from {list(FORMS)}")
    conf, state = load_codec(source, model_file)
    with torch.device("meta"):
        generator = Generator(**conf)
    own = {key: tensor for key, tensor in state.items() if key.startswith(GENERATOR)}
    shapes = generator.state_dict()
    check_state({GENERATOR + key: shape for key, shape in shapes.items()}, own)
    tensors = {key: own[GENERATOR + key] for key in shapes}
    kept = _official_config(Path(source))
    if form == "official":
        _write_official(output, conf, state_to_official(tensors, generator), kept)
        return
    make_directory(output)
    if form == "huggingface":
        write_hugging_face(output, conf, tensors)
    else:
        config = dict(task_options or {})
        config |= {"codec": "speechtokenizer", "codec_conf": conf}
        write_experiment(output, config, own)
    if kept is not None:
        (output / KEPT).write_bytes(kept)


def _official_config(source: Path) -> bytes | None:
    """Read the `config.json` of an official release, or the one that was kept of it."""
    path = source / ("config.json" if form_of(source) == "official" else KEPT)
    return path.read_bytes() if path.is_file() else None


def _write_official(
    output: Path,
    conf: Mapping[str, Any],
    state: Mapping[str, Tensor],
    kept: bytes | None,
) -> None:
    """Write `config.json` and `SpeechTokenizer.pt`."""
    config = conf_to_official(conf)
    text = json.dumps(config, indent=4).encode()
    if kept is not None:
        if conf_from_official(json.loads(kept)) == conf_from_official(config):
            text = kept
    make_directory(output)
    (output / "config.json").write_bytes(text)
    torch.save(dict(state), output / OFFICIAL_CHECKPOINT)
