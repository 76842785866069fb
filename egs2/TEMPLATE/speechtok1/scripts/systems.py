#!/usr/bin/env python3
"""Reads the list of systems for speechtok.sh, and says which layers are decoded.

`list` prints bash arrays, by the key of each system; `spans` a line of layers.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from data_dir import exit_code

from espnet_st.slmtokbench.systems import (
    NO_TEACHER,
    System,
    conversion_spans,
    read_systems,
    resynthesis_spans,
)

SPANS = {"resynthesis": resynthesis_spans, "conversion": conversion_spans}
SAMPLE_RATE = 16000  # of a codec whose configuration says nothing
UNITS = "hubert_units"
TAUGHT = ("speechtokenizer", UNITS)  # the codecs that take a teacher


def read_codec(system: System) -> dict[str, Any]:
    """Read the configuration of a codec; an empty one if it was trained elsewhere."""
    if system.codec_config is None:
        return {}
    return yaml.safe_load(system.codec_config.read_text(encoding="utf-8")) or {}


def check_configs(system: System, sample_rate: int) -> None:
    """Hold a system's configurations to the files that are there, and to the rate.

    Raises:
        ValueError: A configuration is missing, or is for another sample rate.
    """
    for config in (system.codec_config, system.lm and system.lm.config):
        if config is not None and not config.is_file():
            raise ValueError(f"{system.key}: no configuration {config}")
    if system.codec_config is not None:
        conf = read_codec(system).get("codec_conf") or {}
        # ESPnet's own codecs have the second name.
        rate = conf.get("sample_rate", conf.get("sampling_rate", SAMPLE_RATE))
        if rate != sample_rate:
            raise ValueError(
                f"{system.key}: {system.codec_config} is for {rate} Hz, --fs is"
                f" {sample_rate}"
            )
        if read_codec(system).get("codec") == UNITS and system.teacher == NO_TEACHER:
            raise ValueError(
                f"{system.key}: teacher: none, but units are those of a teacher: leave"
                " the line out, or name one"
            )


def fields(system: System) -> dict[str, object]:
    """Return what speechtok.sh knows of a system, by the arrays' names."""
    lm = system.lm
    taught = read_codec(system).get("codec", TAUGHT[0]) in TAUGHT
    return {
        "label": system.label,
        "codec_exp": system.codec_exp,
        "codec_config": system.codec_config or "",
        "codec_options": system.codec_args,
        "distilled_from": system.teacher if taught else "",
        "distilled_layer": system.teacher_layer,
        "codec_train_set": system.train_set,
        "codes_dir": system.codes_dir,
        "conversion": str(system.conversion).lower(),
        "lm_label": lm.label if lm else "",
        "lm_exp": lm.exp if lm else "",
        "lm_config": lm.config or "" if lm else "",
        "lm_train_set": lm.train_set if lm else "",
        "lm_options": lm.args if lm else "",
    }


def list_systems(args: argparse.Namespace) -> None:
    """Print the array `keys`, and an associative array for each of `fields`.

    Raises:
        ValueError: The list or a configuration is at fault.
    """
    codec_only = args.codec_only == "true"
    systems = [
        system
        for seed in args.seeds or [None]
        for system in read_systems(
            args.systems, args.expdir, args.dumpdir, codec_only, seed
        )
    ]
    for system in systems:
        check_configs(system, args.fs)
    known = {system.key: fields(system) for system in systems}
    lines = [f"declare -a keys=({' '.join(known)})"]
    for name in fields(systems[0]):
        pairs = (f"[{key}]={shlex.quote(str(f[name]))}" for key, f in known.items())
        lines.append(f"declare -A {name}=({' '.join(pairs)})")
    sys.stdout.write("\n".join(lines) + "\n")


def list_spans(args: argparse.Namespace) -> None:
    """Print the layers to decode from for one purpose, e.g. "1 1-8".

    Raises:
        ValueError: There are no codebooks.
    """
    path = args.codes_dir / "codebooks.npy"
    if not path.is_file():
        raise ValueError(f"{path} is missing: stage 5 makes it")
    n_q = len(np.load(path, mmap_mode="r"))
    sys.stdout.write(" ".join(SPANS[args.purpose](n_q)) + "\n")


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("list", help="the systems as bash arrays")
    one.add_argument("--expdir", type=Path, default="exp")
    one.add_argument("--dumpdir", type=Path, default="dump")
    one.add_argument("--codec_only", choices=("true", "false"), default="false")
    one.add_argument("--seeds", type=int, nargs="*", help="of trainings; each once")
    one.add_argument("--fs", type=int, default=SAMPLE_RATE, help="Hz of the recipe")
    one.add_argument("systems", type=Path, help="e.g. conf/systems.yaml")
    one.set_defaults(run=list_systems)
    one = commands.add_parser("spans", help="layers to decode from")
    one.add_argument("purpose", choices=tuple(SPANS))
    one.add_argument("codes_dir", type=Path, help="e.g. dump/codes_mini/test")
    one.set_defaults(run=list_spans)
    args = parser.parse_args(cmd)
    return exit_code(args.run, args)


if __name__ == "__main__":
    sys.exit(main())
