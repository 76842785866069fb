"""Cleaning a model's configuration of the machine that trained it.

What stays is what describes the model and its training; where things lay does not, and
a file that the model needs is named as it will lie in the archive.
"""

from __future__ import annotations

import copy
import mmap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

BLANK: dict[str, Any] = {
    "config": None,
    "output_dir": None,
    "init_param": [],
    "pretrain_path": None,
    "train_shape_file": [],
    "valid_shape_file": [],
    "train_data_path_and_name_and_type": [],
    "valid_data_path_and_name_and_type": [],
    "dist_init_method": "env://",
    "dist_master_addr": None,
    "wandb_entity": None,
    "rir_scp": None,
    "noise_scp": None,
    "speech_volume_normalize": None,
    "write_collected_feats": False,
    "allow_variable_data_keys": False,
    "ngpu": 0,
    "dist_world_size": None,
    "dist_rank": None,
    "local_rank": None,
    "dist_master_port": None,
    "distributed": False,
    "multiprocessing_distributed": False,
}
"""Options of a training run that say where it ran and on what; and what they become."""

NAMES_ONLY = (
    "codec_conf.teacher_conf.name",
    "codec_conf.teacher_conf.units_file",
)
"""Files that only training needs: of an absolute path the last part stays."""

FILES = (
    "bpemodel",
    "token_list",
    "non_linguistic_symbols",
    "normalize_conf.stats_file",
    "pitch_normalize_conf.stats_file",
    "energy_normalize_conf.stats_file",
    "feats_extract_conf.stats_file",
)
"""Options that name a file that the model needs, if they are text."""

CODECS = ("frontend_conf.codec", "feats_extract_conf.codec")
"""Options that name the frozen codec of a model."""


DEPTH = 3
"""Parts, the root among them, of paths that many machines have: /usr/local."""


def get_option(config: Mapping[str, Any], name: str) -> Any:
    """Look up an option by its dotted name; None if it is not there."""
    value: Any = config
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def set_option(config: dict[str, Any], name: str, value: Any) -> None:
    """Set an option that is there, by its dotted name."""
    *parents, last = name.split(".")
    for key in parents:
        config = config[key]
    config[last] = value


def scrub(config: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a configuration without what tells of the machine.

    Args:
        config: What `config.yaml` holds.
    """
    clean = copy.deepcopy(dict(config))
    clean |= {key: value for key, value in BLANK.items() if key in clean}
    for name in NAMES_ONLY:
        value = get_option(clean, name)
        if isinstance(value, str) and PurePath(value).is_absolute():
            set_option(clean, name, PurePath(value).name)
    return clean


def check_no_paths(config: Mapping[str, Any]) -> None:
    """Refuse a configuration that still names a place of the machine.

    Raises:
        ValueError: If an option is an absolute path.
    """
    for name, value in _texts(config, ""):
        path = PurePath(value)
        if path.is_absolute() and len(path.parts) > 2:
            raise ValueError(
                f"config.yaml: {name} is {value!r}, a place on this machine, and it is "
                "not known whether the model needs it: copy the experiment directory, "
                "change or remove the option in its config.yaml, and pack that"
            )


def _texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Give all texts of a configuration but tokens, with their dotted names."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            if key != "token_list":
                yield from _texts(one, f"{name}.{key}".lstrip("."))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one, name)


def places(*more: Path) -> list[str]:
    """List directories of this machine that no archive shall name.

    Args:
        *more: Directories of the model at hand, and those above them.

    Returns:
        The user's home, the working directory and these, absolute.
    """
    named = {str(one) for path in more for one in (path.absolute(), path.resolve())}
    # Other machines have /tmp or /home/user's parent as well.
    named = {one for one in named if len(PurePath(one).parts) > DEPTH}
    for own in (Path.home(), Path.cwd()):
        named |= {str(own.absolute()), str(own.resolve())}
    # The longest first: a shorter one may be the beginning of it.
    return sorted(named - {"/"}, key=len, reverse=True)


def without_places(text: str, machine: Iterable[str]) -> str:
    """Shorten places on this machine that a text names to their last part."""
    for place in machine:
        text = text.replace(place, PurePath(place).name)
    return text


def check_bytes(file: Path, name: str, machine: Iterable[str]) -> None:
    """Refuse a file in whose bytes a place on this machine is named.

    Args:
        file: To search.
        name: What it is called in the archive.
        machine: The places.

    Raises:
        ValueError: If there is one.
    """
    if not file.stat().st_size:
        return
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        for place in machine:
            if content.find(f"{place}/".encode()) >= 0:
                raise ValueError(
                    f"{name} would carry {place}, a place on this machine, to others: "
                    "make the file anew without it"
                )
