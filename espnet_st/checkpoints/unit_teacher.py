"""Finding the teacher of a codec of units, which its checkpoint does not hold."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LEVELS = 3
"""Directories above a configuration in which a relative name is looked for.

Those of the experiment, of `exp/`, and of the recipe, where it was trained; in an
archive the last is that of the archive.
"""

TEACHER_FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
"""What a teacher in Hugging Face's format consists of."""


def find_teacher(conf: Mapping[str, Any], config: Path) -> dict[str, Any]:
    """Give the `teacher_conf` of a codec of units, with a name that can be loaded.

    Args:
        conf: The `codec_conf` of its training.
        config: The `config.yaml` that it is from. A directory that is named relative
            to this one or to those above goes before the working directory, so that
            the teacher of another recipe is not taken.

    Returns:
        Arguments of `teacher.build_teacher` but its layer and units, which are in the
        checkpoint.
    """
    teacher = dict(conf.get("teacher_conf") or {})
    name = teacher.get("name")
    if isinstance(name, str):
        above = list(config.absolute().parents)[:LEVELS]
        found = (str(one / name) for one in above if (one / name).exists())
        teacher["name"] = next(found, name)
    return {k: v for k, v in teacher.items() if k not in ("layer", "units_file")}


def copy_teacher(name: str, target: Path) -> bool:
    """Copy a teacher that is a directory; one that has a name stays where it is.

    Args:
        name: As `find_teacher` gives it.
        target: The new directory.

    Returns:
        Whether it was copied.

    Raises:
        ValueError: If it is a directory that is not there, or of another format than
            Hugging Face's.
    """
    source = Path(name)
    if not source.exists():
        if source.is_absolute():
            raise ValueError(
                f"the teacher {name} is not there: a codec of units is packed with it"
            )
        return False
    missing = [file for file in TEACHER_FILES if not (source / file).is_file()]
    if missing:
        raise ValueError(
            f"the teacher {name} has no {missing[0]}: only a directory in Hugging "
            "Face's format travels with a codec of units; save it in that format, or "
            "name a model of the hub as teacher_conf.name"
        )
    target.mkdir()
    for file in TEACHER_FILES:
        shutil.copyfile(source / file, target / file)
    return True
