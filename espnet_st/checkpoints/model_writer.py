"""Writing the files of one model as they lie in an archive.

Configuration and checkpoint are in a directory of the archive; what they need stands
beside them: token lists, statistics, a frozen codec. A value in the configuration that
equals the name of a packed file becomes its path where ESPnet unpacks the archive.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump
from torch import Tensor

from espnet_st.checkpoints.generators import (
    KNOWN_CODECS,
    build_generator,
    load_generator,
)
from espnet_st.checkpoints.loading import (
    GENERATOR,
    check_kind,
    check_state,
    find_checkpoint,
    find_codec,
    load_state,
    load_strictly,
    read_config,
)
from espnet_st.checkpoints.official_uslm import build_on_meta
from espnet_st.checkpoints.scrubbing import (
    CODECS,
    FILES,
    check_no_paths,
    get_option,
    scrub,
    set_option,
)
from espnet_st.checkpoints.sources import (
    CODEC,
    DECODE,
    ModelFiles,
    model_files,
    resolve_packed,
)
from espnet_st.checkpoints.unit_teacher import copy_teacher, find_teacher
from espnet_st.checkpoints.uslm_release import TTS
from espnet_st.codec.unit_generator import UnitGenerator

MODEL, CONFIG, BOOKS = "model.pth", "config.yaml", "codebooks.npy"
"""Names in the directory of a model."""

USLM_CODEBOOK_SIZE = 1024
"""Entries of each codebook of a USLM whose configuration says nothing."""

CODEBOOKS = "tts_conf.codebooks"
"""Option of a USLM that names a file of its codec's codebooks."""


class Kind(NamedTuple):
    """Says how the models of a task are packed.

    Attributes:
        task: What ESPnet calls it.
        key: Name of the model in the configuration; empty takes any.
        names: Those models.
        prefix: What the names of the tensors to keep start with.
        files: What ESPnet's inference class calls configuration and checkpoint.
        fixed: Options that such models have in place of the task's own defaults.
    """

    task: str
    key: str
    names: tuple[str, ...]
    prefix: str
    files: tuple[str, str] = ("train_config", "model_file")
    fixed: Mapping[str, Any] | None = None


KINDS = {
    "codec": Kind("codec", "codec", KNOWN_CODECS, GENERATOR),
    # Codes are learnt as they are.
    "uslm": Kind(
        "tts", "tts", ("uslm",), TTS, fixed={"normalize": None, "feats_extract": None}
    ),
    "asr": Kind("asr", "", (), "", ("asr_train_config", "asr_model_file")),
}


class ModelWriter:
    """Writes the files of one model below a directory.

    Args:
        kind: What model it is.
        root: Directory of the archive.
        top: Directory of the model in it.
        dtype: Of the weights; None leaves them.
        defaults: As of `packing.pack`.
    """

    def __init__(
        self,
        kind: Kind,
        root: Path,
        top: str,
        dtype: torch.dtype | None,
        defaults: Callable[[str], Mapping[str, Any]] | None = None,
    ) -> None:
        self.kind = kind
        self.root = root
        self.top = top
        self.dtype = dtype
        self.defaults = defaults
        (root / top).mkdir(parents=True)

    def write(
        self,
        files: ModelFiles,
        source: str | Path,
        codec: str | Path | None = None,
        model_file: Path | None = None,
    ) -> dict[str, Any]:
        """Write configuration, checkpoint and what they need.

        Returns:
            What the model is like, for `meta.yaml`.

        Raises:
            ValueError: If a file is missing, damaged or of another model.
        """
        config = self._read(files, source)
        checkpoint = model_file or files.checkpoint
        state = load_state(checkpoint or find_checkpoint(files.config.parent))
        state = {k: v for k, v in state.items() if k.startswith(self.kind.prefix)}
        facts: dict[str, Any] = {"parameters": _count(state)}
        for option in FILES:
            self._take(config, option)
        if self.kind.task == "codec":
            facts |= _check_codec(config, state, files.config)
            self._take_teacher(config, files.config)
        else:
            facts |= self._add_codec(config, files.config.parent, codec)
        if self.kind.task == "tts":
            self._add_decoding(files.config.parent, config, state)
        check_no_paths(config)
        (self.root / self.top / CONFIG).write_text(to_yaml(config), encoding="utf-8")
        torch.save(copy_tensors(state, self.dtype), self.root / self.top / MODEL)
        return facts

    def _read(self, files: ModelFiles, source: str | Path) -> dict[str, Any]:
        """Read the configuration, whole and without the machine."""
        if files.config.suffix == ".json":
            raise ValueError(
                f"{source} is an official release: make an experiment directory of it "
                "with espnet_st.bin.convert, and pack that"
            )
        config = read_config(files.config)
        if self.kind.key:
            check_kind(config, self.kind.key, self.kind.names, source, files.task)
        elif files.task not in ("", "asr") or {"codec", "tts"} & config.keys():
            found = files.task or ("tts" if "tts" in config else "codec")
            raise ValueError(f"{source} is of the task {found}; expected an ASR model")
        config = resolve_packed(config, files.root)
        if "init" not in config and self.defaults:
            config = (
                dict(self.defaults(self.kind.task))
                | dict(self.kind.fixed or {})
                | config
            )
        return scrub(config)

    def _take(self, config: dict[str, Any], option: str) -> None:
        """Copy the file that an option names, and name the copy."""
        value = get_option(config, option)
        if not isinstance(value, str):
            return
        path = Path(value)
        if not path.is_file():
            raise ValueError(
                f"config.yaml: {option} is {value}, which is not here: pack the model "
                "in the directory where it was trained"
            )
        name = f"{self.top}/{option}{path.suffix}"
        shutil.copyfile(path, self.root / name)
        set_option(config, option, name)

    def _take_teacher(self, config: dict[str, Any], path: Path) -> None:
        """Copy the teacher of a codec of units, which cannot encode without it."""
        if config["codec"] != UnitGenerator.kind:
            return
        name = find_teacher(read_config(path).get("codec_conf") or {}, path).get("name")
        inside = f"{self.top}/teacher"
        if isinstance(name, str) and copy_teacher(name, self.root / inside):
            set_option(config, "codec_conf.teacher_conf.name", inside)

    def _add_codec(
        self, config: dict[str, Any], directory: Path, codec: str | Path | None
    ) -> dict[str, Any]:
        """Write the frozen codec of a model, if it has one, into its directory.

        Returns:
            What the codec is like.
        """
        named = [option for option in CODECS if get_option(config, option)]
        if codec is None and named:
            codec = get_option(config, named[0])
        if codec is None and self.kind.task == "tts":
            codec = find_codec(directory)
        if codec is None:
            return {}
        inside = f"{self.top}/codec"
        model = ModelWriter(KINDS["codec"], self.root, inside, self.dtype)
        facts = model.write(model_files(codec), codec)
        for option in named:
            set_option(config, option, f"{inside}/{CONFIG}")
        return {key: value for key, value in facts.items() if key != "parameters"}

    def _add_decoding(
        self, directory: Path, config: dict[str, Any], state: Mapping[str, Tensor]
    ) -> None:
        """Write what a USLM has beside its configuration: codec, codebooks, options."""
        here = self.root / self.top
        (here / CODEC).write_text(f"codec: codec/{CONFIG}\n", encoding="utf-8")
        if (directory / DECODE).is_file():
            shutil.copyfile(directory / DECODE, here / DECODE)
        books = load_generator(here / "codec" / CONFIG).codebooks()
        n_q, size = books.shape[:2]
        if config.get("odim") is None:  # it was trained on waveforms
            config["odim"] = n_q
        conf = dict(config["tts_conf"], idim=len(config["token_list"]))
        conf |= dict(odim=config["odim"])
        ours = conf["odim"], conf.get("codebook_size", USLM_CODEBOOK_SIZE)
        if ours != (n_q, size):
            raise ValueError(
                f"the USLM speaks {ours[0]} layers of {ours[1]} codes, the codec {n_q} "
                f"of {size}: give the codec of its codes"
            )
        if conf.get("codebooks") is not None:
            np.save(here / BOOKS, books.float().numpy())
            set_option(config, CODEBOOKS, f"{self.top}/{BOOKS}")
            conf["codebooks"] = books
        model = build_on_meta(conf)
        expected = {TTS + key: value for key, value in model.state_dict().items()}
        check_state(expected, state)


def _check_codec(
    config: Mapping[str, Any], state: Mapping[str, Tensor], path: Path
) -> dict[str, Any]:
    """Hold a codec's tensors to its configuration; tell what it is like."""
    generator = build_generator(config, path)
    load_strictly(generator, state, GENERATOR)
    return {
        "sample_rate": generator.sample_rate,
        "frame_rate": generator.frame_rate,
        "n_q": generator.n_q,
        "codebook_size": generator.codebook_size,
    }


def _count(state: Mapping[str, Tensor]) -> int:
    """Count the values of a checkpoint, those of shared tensors once."""
    return sum({_place(value): value.numel() for value in state.values()}.values())


def _place(tensor: Tensor) -> tuple[Any, ...]:
    """Tell tensors that share their memory from those that do not."""
    storage = tensor.untyped_storage().data_ptr()
    where = storage, tensor.storage_offset(), tensor.shape, tensor.stride()
    return *where, tensor.dtype


def copy_tensors(
    state: Mapping[str, Tensor], dtype: torch.dtype | None
) -> dict[str, Tensor]:
    """Copy tensors, so that nothing but them is saved; what was shared stays so.

    Raises:
        ValueError: If a value is too large for `dtype`.
    """
    copies: dict[tuple[Any, ...], Tensor] = {}
    for key, tensor in state.items():
        if _place(tensor) not in copies:
            to = dtype if tensor.is_floating_point() else None
            copy = tensor.detach().to(to, copy=True).contiguous()
            if to and bool((copy.isfinite() != tensor.isfinite()).any()):
                raise ValueError(f"{key} has values too large for {to}: keep float32")
            copies[_place(tensor)] = copy
    return {key: copies[_place(tensor)] for key, tensor in state.items()}


def to_yaml(content: Mapping[str, Any]) -> str:
    """Write a mapping as YAML, in its own order."""
    return yaml_no_alias_safe_dump(dict(content), indent=4, sort_keys=False)
