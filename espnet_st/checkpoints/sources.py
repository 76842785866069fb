"""Finding a trained model's files: in a directory, a packed zip, by URL or name.

Archives and hub repositories are those of ESPnet's `pack`: `meta.yaml` names
configuration and checkpoint. An archive is unpacked into a cache, once per content; a
download stays there as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from espnet_st.checkpoints.archives import unpack_once
from espnet_st.checkpoints.downloads import download
from espnet_st.checkpoints.hub import HUB_NAME, download_snapshot, zoo_url

META = "meta.yaml"
"""At the root of a packed model it names its files."""

CODEC = "codec.yaml"
"""Beside the configuration of a USLM it names the codec of its codes."""

DECODE = "decode.yaml"
"""Beside the configuration of a USLM it holds its decoding defaults."""

URL = re.compile(r"https?://\S+")

CONFIG, CHECKPOINT = "train_config", "model_file"
"""What ESPnet's `pack` calls a model's files; `asr_train_config` of an ASR model."""


class ModelFiles(NamedTuple):
    """Names a trained model's files.

    Attributes:
        config: ESPnet's `config.yaml`, or `config.json` of an official release.
        checkpoint: Its checkpoint, or None for the best one beside `config`.
        root: Directory of the packed model; None if it is no packed one.
        task: What ESPnet's `pack` says of the task: `asr`, ...; empty for codecs and
            TTS models, and where nothing was packed.
    """

    config: Path
    checkpoint: Path | None = None
    root: Path | None = None
    task: str = ""


def model_files(source: str | Path) -> ModelFiles:
    """Find a model's files, which are downloaded and unpacked if need be.

    Args:
        source: An experiment directory, the directory of an official release, a
            configuration file, an archive made by `pack`, a name in ESPnet's model zoo
            or on the hub (owner/model or owner/model@revision), or the URL of an
            archive, maybe with `#sha256=...`. What is there locally goes before a name.

    Raises:
        ValueError: If it is none of these, cannot be fetched, or is damaged.
    """
    path = Path(source)
    if not path.exists():
        return _fetched(str(source))
    if path.is_dir():
        return _in_directory(path)
    if path.suffix in (".yaml", ".json"):
        return ModelFiles(path)
    return _in_directory(unpack_once(path), path)


def _fetched(name: str) -> ModelFiles:
    """Find the files of a model that is not here."""
    url = name if URL.fullmatch(name) else None
    if url is None:
        if not HUB_NAME.fullmatch(name):
            raise ValueError(
                f"no directory or archive {name}, and it is no name of a model "
                "(owner/model or owner/model@revision) and no URL either"
            )
        url = zoo_url(name)
    if url is None:
        return _in_directory(download_snapshot(name), name)
    archive = download(url)
    try:
        return _in_directory(unpack_once(archive), name)
    except ValueError:
        # The next call shall not find it again.
        archive.unlink(missing_ok=True)
        raise


def _in_directory(directory: Path, source: str | Path | None = None) -> ModelFiles:
    """Find the files in a directory.

    Args:
        directory: Where to look.
        source: What the user named, for messages.
    """
    source = source or directory
    for name in ("config.yaml", "config.json"):
        if (directory / name).is_file() and not (directory / META).is_file():
            return ModelFiles(directory / name)
    meta = directory / META
    if not meta.is_file():
        raise ValueError(
            f"{source} has no config.yaml, config.json or meta.yaml: is this the "
            "directory of a trained model, or what `pack` made of one?"
        )
    config, model, task = _named(meta.read_bytes(), source)
    for name in (config, model):
        if not (directory / name).is_file():
            raise ValueError(f"{source} has no {name}, which its meta.yaml names")
    return ModelFiles(directory / config, directory / model, directory, task)


def _named(meta: bytes, source: str | Path) -> tuple[str, str, str]:
    """Read which configuration, checkpoint and task a `meta.yaml` names."""
    try:
        content = yaml.safe_load(meta)
        configs, files = content["yaml_files"], content["files"]
        key = next(key for key in configs if key.endswith(CONFIG))
        task = key.removesuffix(CONFIG)
        # `pack` names a file outside the working directory by its absolute path, and
        # zip stores it without the leading slash.
        config = configs[key].lstrip("/")
        model = files[task + CHECKPOINT].lstrip("/")
    except (
        yaml.YAMLError,
        UnicodeDecodeError,
        KeyError,
        TypeError,
        AttributeError,
        StopIteration,
    ):
        raise ValueError(
            f"{source}: meta.yaml does not name train_config and model_file; expected "
            "what `espnet_st.bin.pack` or `espnet2.bin.pack` writes"
        ) from None
    for name in (config, model):
        if ".." in PurePosixPath(name).parts:
            raise ValueError(f"{source}: meta.yaml names {name}, outside of the model")
    return config, model, task.rstrip("_")


def packed_root(config: Path) -> Path | None:
    """Find the directory of the packed model that a configuration belongs to."""
    for directory in list(config.parents)[:3]:
        if (directory / META).is_file():
            return directory
    return None


def resolve_packed(config: Mapping[str, Any], root: Path | None) -> dict[str, Any]:
    """Make the names of packed files in a configuration paths of theirs.

    ESPnet does the same when it unpacks; here it is done when a model is loaded, so
    that the unpacked directory may be moved.

    Args:
        config: What `config.yaml` holds.
        root: Directory of the packed model; None leaves all as it is.
    """
    return {key: _resolve(value, root) for key, value in config.items()}


def _resolve(value: Any, root: Path | None) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(one, root) for key, one in value.items()}
    # A token of a list is no file, whatever its name.
    if root is None or not isinstance(value, str) or "/" not in value:
        return value
    name = PurePosixPath(value)
    inside = not name.is_absolute() and ".." not in name.parts
    return str(root / name) if inside and (root / name).is_file() else value
