"""Finding a trained model's files: in a directory, a packed zip or on a hub.

Archives are those of ESPnet's `pack`: `meta.yaml` names configuration and checkpoint.
Only these two and what `BESIDE` names are taken out, under names of our own, and
removed after use.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import yaml

MAX_YAML = 2**20
MAX_CHECKPOINT = 2**33
"""Bytes that a file of an archive may have."""

CODEC = "codec.yaml"
"""Beside the configuration of a USLM it names the codec of its codes."""

DECODE = "decode.yaml"
"""Beside the configuration of a USLM it holds its decoding defaults."""

BESIDE = (CODEC, DECODE)
"""Files that a USLM may have beside its configuration."""

NAME = re.compile(r"(https?://\S+|\w[\w.-]*/\w[\w.-]*(@[\w.-]+)?)")
"""What may be the name of a model in ESPnet's zoo or on a hub."""


class ModelFiles(NamedTuple):
    """Names a trained model's files.

    Attributes:
        config: ESPnet's `config.yaml`, or `config.json` of an official release.
        checkpoint: Its checkpoint, or None for the best one beside `config`.
    """

    config: Path
    checkpoint: Path | None = None


@contextmanager
def model_files(source: str | Path) -> Iterator[ModelFiles]:
    """Find a model's files; those of an archive are there only within the `with`.

    Args:
        source: An experiment directory, the directory of an official release, a
            configuration file, an archive made by ESPnet's `pack`, a name in ESPnet's
            model zoo or on its hub, or the URL of an archive. What is there locally
            goes before a name.

    Raises:
        ValueError: If it is none of these, cannot be fetched, or is damaged.
    """
    path = Path(source)
    if not path.exists():
        path = fetch(str(source))
    if path.is_dir():
        yield _in_directory(path)
    elif path.suffix in (".yaml", ".json"):
        yield ModelFiles(path)
    elif zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory() as work:
            yield _unpacked(path, Path(work))
    else:
        raise ValueError(
            f"{path} is neither a directory, a configuration nor a packed zip"
        )


def _in_directory(directory: Path) -> ModelFiles:
    for name in ("config.yaml", "config.json"):
        if (directory / name).is_file():
            return ModelFiles(directory / name)
    meta = directory / "meta.yaml"
    if not meta.is_file():
        raise ValueError(
            f"no {directory}/config.yaml, config.json or meta.yaml: is this the "
            "directory of a trained model?"
        )
    return ModelFiles(*(directory / name for name in _named(meta.read_bytes(), meta)))


def _named(meta: bytes, where: Path) -> tuple[str, str]:
    """Read the names of configuration and checkpoint from a `meta.yaml`."""
    try:
        content = yaml.safe_load(meta)
        names = content["yaml_files"]["train_config"], content["files"]["model_file"]
        # `pack` names a file outside the working directory by its absolute path, and
        # zip stores it without the leading slash.
        names = tuple(name.lstrip("/") for name in names)
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"{where}: meta.yaml does not name train_config and model_file; expected "
            "what `espnet2.bin.pack codec` writes"
        ) from None
    for name in names:
        if ".." in PurePosixPath(name).parts:
            raise ValueError(f"{where}: meta.yaml names {name}, outside of the model")
    return names


def _unpacked(archive: Path, work: Path) -> ModelFiles:
    files = ModelFiles(work / "config.yaml", work / "model.pth")
    try:
        with zipfile.ZipFile(archive) as members:
            _extract(members, "meta.yaml", work / "meta.yaml", MAX_YAML)
            config, model = _named((work / "meta.yaml").read_bytes(), archive)
            _extract(members, config, files.config, MAX_YAML)
            _extract(members, model, files.checkpoint, MAX_CHECKPOINT)
            for name in BESIDE:
                member = str(PurePosixPath(config).with_name(name))
                if member in members.namelist():
                    _extract(members, member, work / name, MAX_YAML)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise ValueError(f"cannot unpack {archive}: {error}") from error
    return files


def _extract(members: zipfile.ZipFile, name: str, target: Path, limit: int) -> None:
    """Write a member to `target`; never more than its header says, at most `limit`."""
    if name not in members.namelist():
        raise ValueError(f"{members.filename} has no {name}: was it made by `pack`?")
    size = members.getinfo(name).file_size
    if size > limit:
        raise ValueError(
            f"{members.filename}: {name} would have {size} bytes; the limit is {limit}"
        )
    with members.open(name) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)


def fetch(name: str) -> Path:
    """Download a model, once, by ESPnet's model zoo.

    Its own unpacking is not used: it follows whatever path an archive names.

    Returns:
        An archive or a directory in the zoo's cache.

    Raises:
        ValueError: If `name` cannot be a model's, or it cannot be fetched.
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            f"no directory or archive {name}, and it is no name of a model "
            "(owner/model) and no URL either"
        )
    from espnet_model_zoo.downloader import ModelDownloader

    try:
        # By default the zoo would write into its own package.
        zoo = ModelDownloader(Path.home() / ".cache" / "espnet_model_zoo")
        if name.startswith("http") or zoo.query(name=name):
            return Path(zoo.download(name=name))
        return Path(zoo.huggingface_download(name=name))
    except Exception as error:
        # Names, network, hub and disk fail in as many ways; all mean this.
        raise ValueError(
            f"no directory or archive {name} here, and no model of that name could be "
            f"fetched: {error}"
        ) from error
