"""What a recipe makes and compares: a list of systems, written once in YAML.

A system is a codec, its codes, and maybe a language model (LM) that speaks in them.
Stages 4 to 8 and the benchmark read the same list::

    - key: mini                # names exp/codec_mini, dump/codes_mini, exp/uslm_mini
      label: SpeechTokenizer   # its name in the tables
      codec:
        config: conf/train_speechtokenizer.yaml   # stage 4 trains it; or
        exp: /where/a/trained/codec/lies          # a directory that exists
        teacher: recipe        # of stage 3; none: no distillation; or another's name
        args: --max_epoch 3    # more options for its training
      codes: dump/codes_other  # where they lie, if not in dump/codes_<key>
      conversion: true         # whether voices are converted with it
      lm:                      # left out: no LM
        label: USLM
        config: conf/train_uslm.yaml   # or exp, as above
        args: --max_epoch 3

Nothing here loads a model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FROM_RECIPE, NO_TEACHER = "recipe", "none"
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
KEYS = {
    "system": {"key", "label", "codec", "codes", "conversion", "lm"},
    "codec": {"config", "exp", "teacher", "args"},
    "lm": {"label", "config", "exp", "args"},
}


@dataclass(frozen=True)
class LanguageModel:
    """Describe an LM on the codes of a system.

    Attributes:
        label: Its name in the tables.
        exp: Its experiment directory.
        config: Its training's configuration; None if it was trained elsewhere.
        args: More options for its training.
    """

    label: str
    exp: Path
    config: Path | None
    args: str


@dataclass(frozen=True)
class System:
    """Describe one system.

    Attributes:
        key: Short name, of directories and cached scores.
        label: Its name in the tables.
        codec_exp: Experiment directory of its codec.
        codec_config: The training's configuration; None if it was trained elsewhere.
        codec_args: More options for its training.
        teacher: What it is distilled from: "recipe" (what stage 3 makes or checks),
            "none", or the name of another teacher.
        codes_dir: Holds `<set>/codes.scp`.
        conversion: Whether voices are converted with it.
        lm: The LM on its codes, or None.
    """

    key: str
    label: str
    codec_exp: Path
    codec_config: Path | None
    codec_args: str
    teacher: str
    codes_dir: Path
    conversion: bool
    lm: LanguageModel | None


def read_systems(
    path: str | Path, expdir: Path, dumpdir: Path, codec_only: bool = False
) -> list[System]:
    """Read a list of systems.

    Args:
        path: YAML as shown above.
        expdir: Where experiments are by default.
        dumpdir: Where codes are by default.
        codec_only: Whether to leave out the LMs.

    Raises:
        ValueError: The file is missing or not of that form; the message names the
            system and the key.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"No list of systems {path}.")
    try:
        blocks = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(blocks, list) or not blocks:
        raise ValueError(f"{path}: expected a list of systems, '- key: ...'.")
    try:
        systems = [_system(block, expdir, dumpdir, codec_only) for block in blocks]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    for name in ("key", "label"):
        values = [getattr(system, name) for system in systems]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"{path}: the {name} {twice[0]!r} comes twice.")
    return systems


def _system(block: Any, expdir: Path, dumpdir: Path, codec_only: bool) -> System:
    """Read one system's block."""
    key = block.get("key") if isinstance(block, Mapping) else None
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise ValueError(
            f"key: {key!r}, expected letters, digits, '_', '.' and '-': it names files."
        )
    _check(key, "system", block, required={"key", "label", "codec"})
    codec = block["codec"]
    _check(key, "codec", codec, one_of={"config", "exp"})
    conversion = block.get("conversion", True)
    if not isinstance(conversion, bool):
        raise ValueError(f"{key}: conversion: {conversion!r}, expected true or false.")
    return System(
        key=key,
        label=str(block["label"]),
        codec_exp=Path(codec.get("exp") or expdir / f"codec_{key}"),
        codec_config=_path(codec.get("config")),
        codec_args=str(codec.get("args") or ""),
        teacher=str(codec.get("teacher") or FROM_RECIPE),
        codes_dir=Path(block.get("codes") or dumpdir / f"codes_{key}"),
        conversion=conversion,
        lm=None if codec_only else _language_model(key, block.get("lm"), expdir),
    )


def _language_model(key: str, block: Any, expdir: Path) -> LanguageModel | None:
    """Read the block of an LM; None if there is none."""
    if block is None:
        return None
    _check(key, "lm", block, required={"label"}, one_of={"config", "exp"})
    return LanguageModel(
        label=str(block["label"]),
        exp=Path(block.get("exp") or expdir / f"uslm_{key}"),
        config=_path(block.get("config")),
        args=str(block.get("args") or ""),
    )


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)


def _check(
    key: str,
    what: str,
    block: Any,
    required: Set[str] = frozenset(),
    one_of: Set[str] = frozenset(),
) -> None:
    """Refuse a block with unknown keys or without those that it needs."""
    if not isinstance(block, Mapping):
        raise ValueError(f"{key}: {what}: {block!r}, expected 'name: value' lines.")
    unknown = sorted(set(block) - KEYS[what])
    if unknown:
        raise ValueError(
            f"{key}: unknown key {unknown[0]!r} of {what}, expected "
            f"{', '.join(sorted(KEYS[what]))}."
        )
    missing = sorted(required - set(block))
    if missing:
        raise ValueError(f"{key}: {what} has no {missing[0]}.")
    if one_of and len(one_of & set(block)) != 1:
        raise ValueError(f"{key}: {what} takes either {' or '.join(sorted(one_of))}.")


def layer_span(first: int, last: int) -> str:
    """Name layers, counted from 1: "2-4", or "2" where they are one."""
    return str(first) if first == last else f"{first}-{last}"


def layer_title(span: str) -> str:
    """Name the layers of a `layer_span` as tables do: "RVQ-2:4"."""
    return f"RVQ-{span.replace('-', ':')}"


def layer_part(span: str) -> str:
    """Name the layers of a `layer_span` as files do: "rvq2_4"."""
    return f"rvq{span.replace('-', '_')}"


def resynthesis_spans(n_q: int) -> list[str]:
    """List the layers from which speech is made again: the first, and all."""
    return [layer_span(1, last) for last in sorted({1, n_q})]


def conversion_spans(n_q: int) -> list[str]:
    """List the layers that a reference gives: 2, 2 to 4, and 2 to the last."""
    return [layer_span(2, last) for last in sorted({2, 4, n_q}) if 2 <= last <= n_q]
