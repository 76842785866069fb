"""Finding what a training run left, and loading it strictly."""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from espnet_st.checkpoints.hugging_face import (
    PREFIX,
    WEIGHTS,
    conf_from_hugging_face,
    is_hugging_face,
    read_weights,
)
from espnet_st.checkpoints.official_codec import (
    conf_from_official,
    official_names,
    state_from_official,
)
from espnet_st.checkpoints.sources import CODEC, ModelFiles, model_files
from espnet_st.codec.generator import Generator

CHECKPOINTS = (
    "model.pth",
    "valid.*.ave.pth",
    "train.*.ave.pth",
    "valid.*.best.pth",
    "train.*.best.pth",
    "latest.pth",
)
"""Names of checkpoints, the preferred first: that of `pack`, and those of ESPnet."""

OFFICIAL_CHECKPOINT = "SpeechTokenizer.pt"
"""Name of the official release's checkpoint, a bare state dict beside `config.json`."""

MAX_YAML = 2**24
"""Bytes that a configuration may have; token lists are in it."""

GENERATOR = "codec.generator."
"""What the names of a codec's tensors start with in an ESPnet checkpoint."""


KINDS = {"codec": "a codec", "tts": "a TTS model", "asr": "an ASR model"}
"""What models are, by the task."""


def find_checkpoint(directory: Path) -> Path:
    """Find the checkpoint to use of an experiment directory, by `CHECKPOINTS`.

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
    """Read the `config.yaml` that ESPnet wrote.

    Raises:
        ValueError: If it is missing, too large, no YAML or no mapping.
    """
    if not path.is_file():
        raise ValueError(f"no {path}: is this the directory of a trained model?")
    size = path.stat().st_size
    if size > MAX_YAML:
        raise ValueError(f"{path} has {size} bytes; the limit is {MAX_YAML}")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} holds {type(config).__name__}; expected a mapping")
    return config


def find_codec(directory: Path) -> str | Path:
    """Find the codec that `codec.yaml` in a USLM's directory names.

    Returns:
        A path, if it names one that is there, else a name.

    Raises:
        ValueError: If there is no such file, or it names none.
    """
    path = directory / CODEC
    if not path.is_file():
        raise ValueError(f"no {path} names the codec: pass codec (--codec) yourself")
    source = read_config(path).get("codec")
    if not isinstance(source, str):
        raise ValueError(f"{path} names no codec: expected a line 'codec: SOURCE'")
    beside = directory / source
    return beside if beside.exists() else source


def load_state(path: Path, inside: str | None = None) -> dict[str, Tensor]:
    """Load a checkpoint's tensors; nothing in the file is run.

    Args:
        path: The file.
        inside: Where in the file the state dict is, if it is not the whole.

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
    if inside is not None:
        if not isinstance(state, Mapping) or inside not in state:
            raise ValueError(f"{path} holds no {inside!r}: is it an official release?")
        state = state[inside]
    if not isinstance(state, Mapping) or not all(map(torch.is_tensor, state.values())):
        raise ValueError(f"{path} is not a state dict (a mapping of names to tensors)")
    return dict(state)


def check_state(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Refuse a state dict that is not what a model expects.

    Args:
        expected: The model's tensors; they may be on the meta device.
        state: What was loaded.

    Raises:
        ValueError: If any tensor is missing, unexpected or of another shape.
    """
    problems = [f"missing {key}" for key in expected if key not in state]
    problems += [f"unexpected {key}" for key in state if key not in expected]
    problems += [
        f"{key} is {tuple(state[key].shape)}, expected {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in state and state[key].shape != tensor.shape
    ]
    if problems:
        shown = "; ".join(problems[:10])
        raise ValueError(
            f"the checkpoint does not fit the model, {len(problems)} tensors: {shown}"
        )


def load_strictly(
    module: nn.Module, state: Mapping[str, Tensor], prefix: str = ""
) -> None:
    """Load the tensors below `prefix` into `module`.

    Raises:
        ValueError: If any is missing, unexpected or of another shape.
    """
    own = {key: value for key, value in state.items() if key.startswith(prefix)}
    check_state({prefix + key: v for key, v in module.state_dict().items()}, own)
    module.load_state_dict({key[len(prefix) :]: value for key, value in own.items()})


def check_kind(
    config: Mapping[str, Any],
    key: str,
    names: str | Collection[str],
    source: str | Path,
    task: str = "",
) -> None:
    """Refuse the configuration of another model than was asked for.

    Args:
        config: What `config.yaml` holds.
        key: What ESPnet's task calls its model: `codec` or `tts`.
        names: The models that are expected, or the one.
        source: Where it came from, for messages.
        task: As of `sources.ModelFiles`.

    Raises:
        ValueError: It says what the model is, and what was expected.
    """
    names = [names] if isinstance(names, str) else list(names)
    if config.get(key) in names and not task:
        return
    known = " or ".join(map(repr, names))
    if key in config and not task:
        raise ValueError(f"{source} is of {key} {config[key]!r}; expected {known}")
    found = task or next((one for one in KINDS if one in config), "")
    kind = KINDS.get(found, f"a model of the task {found}" if found else "no model")
    raise ValueError(f"{source} is {kind}; expected {KINDS[key]} ({key}: {known})")


def load_codec(
    source: str | Path, model_file: str | Path | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load a trained codec's configuration and tensors, of whatever form.

    Args:
        source: See `sources.model_files`.
        model_file: The checkpoint; by default the one that `source` has.

    Returns:
        Arguments of `Generator`, and its tensors under the names that they have in an
        ESPnet checkpoint, `codec.generator.*`; of another form they are checked
        already.

    Raises:
        ValueError: If there is no such codec, or a file of it is missing or damaged.
    """
    return load_files(model_files(source), source, model_file)


def load_files(
    files: ModelFiles, source: str | Path, model_file: str | Path | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load a codec whose files were found; arguments and results are `load_codec`'s."""
    model_file = model_file or files.checkpoint
    if files.config.suffix == ".json":
        return _load_release(files.config, model_file)
    config = read_config(files.config)
    check_kind(config, "codec", "speechtokenizer", source, files.task)
    checkpoint = Path(model_file or find_checkpoint(files.config.parent))
    return generator_conf(config), load_state(checkpoint)


def generator_conf(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments of `Generator` in a codec's configuration."""
    options = config.get("codec_conf") or {}
    conf = {"sample_rate": 16000, "dimension": 1024, "semantic_dimension": 768}
    known = inspect.signature(Generator).parameters
    return conf | {key: options[key] for key in known if key in options}


def _load_release(
    config: Path, model_file: str | Path | None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load what has a `config.json`: the official form, or that of Hugging Face."""
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
        hugging_face = is_hugging_face(content)
        translate = conf_from_hugging_face if hugging_face else conf_from_official
        conf = translate(content)
    except (OSError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{config} is not a readable configuration: {error}"
        ) from error
    with torch.device("meta"):
        generator = Generator(**conf)
    shapes = generator.state_dict()
    if hugging_face:
        state = read_weights(Path(model_file or config.with_name(WEIGHTS)))
        check_state({PREFIX + key: shape for key, shape in shapes.items()}, state)
        ours = {key: state[PREFIX + key] for key in shapes}
    else:
        names = official_names(generator)
        state = load_state(Path(model_file or config.with_name(OFFICIAL_CHECKPOINT)))
        check_state({name: shapes[key] for key, name in names.items()}, state)
        ours = state_from_official(state, generator)
    return conf, {GENERATOR + key: tensor for key, tensor in ours.items()}
