"""Packing a trained model as one zip: all that it needs, and nothing of the machine.

The zip is one of ESPnet's model zoo: `meta.yaml` names configuration and checkpoint.
The same model gives the same bytes.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from espnet_st import __version__
from espnet_st.checkpoints.archives import BLOCK
from espnet_st.checkpoints.card import model_card
from espnet_st.checkpoints.model_writer import (
    CONFIG,
    KINDS,
    MODEL,
    ModelWriter,
    to_yaml,
)
from espnet_st.checkpoints.scrubbing import check_bytes, places, without_places
from espnet_st.checkpoints.sources import META, model_files

RESULTS, LICENSE, CARD = "RESULTS.md", "LICENSE", "README.md"
"""Names in the archive of what a reader may want."""

WEIGHTS = {"float32": None, "float16": torch.float16}
"""Types that weights may be packed in; None leaves them as they are."""

TIME = (1980, 1, 1, 0, 0, 0)
"""The time of all members."""


@dataclass(frozen=True)
class About:
    """Holds what a reader should know of a model, beside its files.

    Attributes:
        license: Short name as of SPDX, e.g. `cc-by-4.0`.
        training_data: Name of the corpus.
        language: Codes of its languages, e.g. `en`.
        results: A RESULTS.md, or None.
        license_file: The licence's text, or None.
    """

    license: str = "cc-by-4.0"
    training_data: str = "not named"
    language: str = "en"
    results: Path | None = None
    license_file: Path | None = None

    def check(self) -> None:
        """Refuse files that are not there.

        Raises:
            ValueError: It names the file.
        """
        for path in (self.results, self.license_file):
            if path is not None and not path.is_file():
                raise ValueError(f"no {path}: name a file, or leave it out")


def pack(
    kind: str,
    source: str | Path,
    output: Path,
    about: About = About(),
    *,
    codec: str | Path | None = None,
    model_file: Path | None = None,
    weights: str = "float32",
    overwrite: bool = False,
    defaults: Callable[[str], Mapping[str, Any]] | None = None,
) -> Path:
    """Pack a model.

    Args:
        kind: One of `KINDS`.
        source: What `sources.model_files` takes.
        output: The zip to write. It appears when it is whole.
        about: What a reader should know.
        codec: The codec of a USLM; by default the one that its `codec.yaml` names.
        model_file: Another checkpoint.
        weights: One of `WEIGHTS`. Half precision is half the size; models are computed
            in float32 all the same.
        overwrite: Whether `output` may be there already.
        defaults: Gives the options of an ESPnet task (`codec`, `tts`, `asr`) with their
            values. It is called for a configuration that does not hold all of them,
            for ESPnet's own classes need them.

    Returns:
        `output`.

    Raises:
        ValueError: If a file is missing, damaged or of another model, the archive would
            name a place on this machine, or `output` is there.
    """
    if output.suffix != ".zip":
        raise ValueError(f"output is {output}; expected a name that ends in .zip")
    if output.exists() and not overwrite:
        raise ValueError(f"{output} is there already: say --overwrite true, or move it")
    if weights not in WEIGHTS:
        raise ValueError(f"weights is {weights!r}; expected {' or '.join(WEIGHTS)}")
    about.check()
    files = model_files(source)
    machine = places(*files.config.absolute().parents, *output.absolute().parents)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".packing-") as work:
        root = Path(work) / "model"
        model = ModelWriter(
            KINDS[kind], root, f"{kind}_model", WEIGHTS[weights], defaults
        )
        facts = model.write(files, source, codec, model_file)
        meta = _meta(kind, about, facts)
        (root / META).write_text(to_yaml(meta), encoding="utf-8")
        if about.license_file:
            shutil.copyfile(about.license_file, root / LICENSE)
        results = ""
        if about.results:
            results = about.results.read_text(encoding="utf-8")
            results = without_places(results, machine)
            (root / RESULTS).write_text(results, encoding="utf-8")
        card = model_card(meta, output.name, results)
        (root / CARD).write_text(card, encoding="utf-8")
        for path in sorted(root.rglob("*")):
            if path.is_file():
                name = path.relative_to(root).as_posix()
                check_bytes(path, name, machine)
        made = Path(work) / output.name
        write_zip(root, made)
        made.replace(output)
    return output


def _meta(kind: str, about: About, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Give the content of `meta.yaml`; first what ESPnet reads of it."""
    config, model = KINDS[kind].files
    return {
        "yaml_files": {config: f"{kind}_model/{CONFIG}"},
        "files": {model: f"{kind}_model/{MODEL}"},
        "kind": kind,
        "model": dict(facts),
        "license": about.license,
        "training_data": about.training_data,
        "language": about.language,
        "espnet_st": __version__,
        "espnet": version("espnet"),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def write_zip(directory: Path, archive: Path) -> None:
    """Write a directory's files as a zip whose bytes depend on them alone.

    Args:
        directory: What to write; names are relative to it.
        archive: The zip, new.
    """
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    # Readers look for it first.
    files.sort(key=lambda path: path != directory / META)
    # Weights do not compress, and compressors differ.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as members:
        for path in files:
            info = zipfile.ZipInfo(path.relative_to(directory).as_posix(), TIME)
            info.external_attr = 0o100644 << 16
            info.create_system = 3  # Unix, wherever this runs
            info.file_size = path.stat().st_size
            with path.open("rb") as plain, members.open(info, "w") as packed:
                shutil.copyfileobj(plain, packed, BLOCK)
