"""What a recipe makes and compares: a list of systems, written once in YAML.

A system is a codec, its codes, and maybe a language model (LM) that speaks in them.
Stages 4 to 8 and the benchmark read the same list::

    - key: mini                # names exp/codec_mini, dump/codes_mini, exp/uslm_mini
      label: SpeechTokenizer   # its name in the tables
      codec:
        config: conf/train_speechtokenizer.yaml   # stage 4 trains it; or
        exp: /where/a/trained/codec/lies          # a directory that exists
        teacher: recipe        # of stage 3; none: no distillation; or another's name
        layer: avg             # of the teacher: a number, avg or units; left out: units
                               # where the recipe has some, else what config says
        train_set: train_960   # if not the recipe's
        args: --max_epoch 3    # more options for its training
      codes: dump/codes_other  # where they lie, if not in dump/codes_<key>
      conversion: true         # whether voices are converted with it
      lm:                      # left out: no LM
        label: USLM
        config: conf/train_uslm.yaml   # or exp, as above
        train_set: train_mls
        args: --max_epoch 3
      roles: [distilled]       # in the paper's orderings, see `ROLES`

A run may train each system with several seeds: then key and directories of each end in
`_seed<N>`, but for models that are not trained here.

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
    "system": {"key", "label", "codec", "codes", "conversion", "lm", "roles"},
    "codec": {"config", "exp", "teacher", "layer", "train_set", "args"},
    "lm": {"label", "config", "exp", "train_set", "args"},
}
ROLES = {
    "distilled": "the paper's SpeechTokenizer",
    "encodec": "the acoustic baseline, EnCodec",
    "units": "the semantic baseline, HuBERT units with a unit vocoder",
    "no_distillation": "the distilled codec trained without its teacher",
    "teacher_avg": "distilled from the mean of the teacher's layers",
    "teacher_layer": "distilled from one layer of the teacher",
    "teacher_units": "distilled from units of the teacher",
}
"""What a system can stand for in the paper's orderings."""


@dataclass(frozen=True)
class LanguageModel:
    """Describe an LM on the codes of a system.

    Attributes:
        label: Its name in the tables.
        exp: Its experiment directory.
        config: Its training's configuration; None if it was trained elsewhere.
        train_set: What it is trained on; "" for the recipe's.
        args: More options for its training.
    """

    label: str
    exp: Path
    config: Path | None
    train_set: str
    args: str


@dataclass(frozen=True)
class System:
    """Describe one system.

    Attributes:
        key: Short name, of directories and cached scores; with a seed, it ends in it.
        base: The key in the list.
        seed: Of its trainings; None for those of their configurations.
        label: Its name in the tables.
        codec_exp: Experiment directory of its codec.
        codec_config: The training's configuration; None if it was trained elsewhere.
        codec_args: More options for its training.
        teacher: What it is distilled from: "recipe" (what stage 3 makes or checks),
            "none", or the name of another teacher.
        teacher_layer: Which layer of it, "avg" or "units"; "" leaves it to the recipe.
        train_set: What the codec is trained on; "" for the recipe's.
        codes_dir: Holds `<set>/codes.scp`.
        conversion: Whether voices are converted with it.
        lm: The LM on its codes, or None.
        roles: Of `ROLES`.
    """

    key: str
    base: str
    seed: int | None
    label: str
    codec_exp: Path
    codec_config: Path | None
    codec_args: str
    teacher: str
    teacher_layer: str
    train_set: str
    codes_dir: Path
    conversion: bool
    lm: LanguageModel | None
    roles: tuple[str, ...]


def read_systems(
    path: str | Path,
    expdir: Path,
    dumpdir: Path,
    codec_only: bool = False,
    seed: int | None = None,
) -> list[System]:
    """Read a list of systems.

    Args:
        path: YAML as shown above.
        expdir: Where experiments are by default.
        dumpdir: Where codes are by default.
        codec_only: Whether to leave out the LMs.
        seed: Of all trainings, in place of those of the configurations.

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
        systems = [
            _system(block, expdir, dumpdir, codec_only, seed) for block in blocks
        ]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    for name in ("key", "label"):
        values = [getattr(system, name) for system in systems]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"{path}: the {name} {twice[0]!r} comes twice.")
    roles = [role for system in systems for role in system.roles]
    twice = sorted({role for role in roles if roles.count(role) > 1})
    if twice:
        raise ValueError(f"{path}: the role {twice[0]!r} is of two systems.")
    return systems


def _system(
    block: Any, expdir: Path, dumpdir: Path, codec_only: bool, seed: int | None
) -> System:
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
    base, trained = key, "config" in codec
    key = key if seed is None else f"{key}_seed{seed}"
    codes = f"codes_{key if trained else base}"
    return System(
        key=key,
        base=base,
        seed=seed,
        label=str(block["label"]),
        codec_exp=Path(codec.get("exp") or expdir / f"codec_{key}"),
        codec_config=_path(codec.get("config")),
        codec_args=_arguments(codec, seed),
        teacher=str(codec.get("teacher") or FROM_RECIPE),
        teacher_layer=str(codec.get("layer", "")),
        train_set=str(codec.get("train_set") or ""),
        codes_dir=Path(block.get("codes") or dumpdir / codes),
        conversion=conversion,
        lm=None if codec_only else _language_model(key, block.get("lm"), expdir, seed),
        roles=_roles(key, block.get("roles", [])),
    )


def _arguments(block: Mapping[str, Any], seed: int | None) -> str:
    """Return the options of a training, its seed among them."""
    args = [str(block.get("args") or "")] + [f"--seed {seed}"] * (seed is not None)
    return " ".join(filter(None, args))


def _roles(key: str, roles: Any) -> tuple[str, ...]:
    """Read the roles of a system."""
    if not isinstance(roles, list) or not set(roles) <= set(ROLES):
        raise ValueError(
            f"{key}: roles: {roles!r}, expected a list of {sorted(ROLES)}."
        )
    return tuple(roles)


def _language_model(
    key: str, block: Any, expdir: Path, seed: int | None
) -> LanguageModel | None:
    """Read the block of an LM; None if there is none."""
    if block is None:
        return None
    _check(key, "lm", block, required={"label"}, one_of={"config", "exp"})
    return LanguageModel(
        label=str(block["label"]),
        exp=Path(block.get("exp") or expdir / f"uslm_{key}"),
        config=_path(block.get("config")),
        train_set=str(block.get("train_set") or ""),
        args=_arguments(block, seed),
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
