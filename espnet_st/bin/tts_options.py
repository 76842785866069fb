"""The options of `tts_inference`, by ESPnet's names."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from espnet2.utils.types import str2bool

from espnet_st.bin.loading import read_config
from espnet_st.uslm.decoding import Options
from espnet_st.uslm.narrow import DTYPES

DECODING = {
    "temperature": (float, "0 is greedy"),
    "top_k": (int, "codes to draw from, 0 for all"),
    "top_p": (float, "mass to draw from"),
    "ras_window": (int, "draw again what repeats in the last so many codes; 0: never"),
    "ras_threshold": (float, "share of the window that is too much"),
    "cfg_scale": (float, "guidance by the text; 1 is none"),
    "align_scale": (float, "guidance by the aligner; 0 is none"),
    "nbest": (int, "candidates for each text, the best is kept"),
    "minlenratio": (float, "fewest frames per token"),
    "maxlenratio": (float, "most frames per token"),
    "ar_prompt": (str2bool, "whether the prompt goes to the AR model too"),
}
"""Type on the command line and meaning of `uslm.decoding.Options`."""

DEFAULTS = {
    field.name: field.default for field in fields(Options) if field.name in DECODING
}
"""Their values where neither the user nor the model gives others."""


def get_parser() -> argparse.ArgumentParser:
    """The command's options; `--config` gives their values in a YAML file."""
    parser = argparse.ArgumentParser(
        description="Speak texts with a USLM, in the voices of prompts.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--config", help="YAML file with values of these options")
    add("--uslm", "--model_tag", help="directory, packed zip or name of a USLM")
    add("--train_config", help="config.yaml, instead of --uslm")
    add("--model_file", help="checkpoint; the best one by default")
    add("--codec", help="its codec, if not in codec.yaml")
    add("--output_dir", required=True, help="where results go")
    add(
        "--data_path_and_name_and_type",
        action="append",
        required=True,
        help="FILE,text,text; for prompts FILE,speech,sound (or, of codes, "
        "FILE,speech,kaldi_ark) and FILE,prompt_text,text",
    )
    add("--key_file", help="utterances to speak, first on each line; else all")
    add("--batch_size", type=int, default=16, help="utterances at once")
    add("--ngpu", type=int, default=0, help="1 to use a GPU")
    dtypes = (*DTYPES, "auto")
    add("--dtype", choices=dtypes, default="float32", help="of the weights")
    add("--seed", type=int, default=0, help="of the draws")
    add("--log_level", type=str.upper, default="INFO", help="what is logged")
    add("--max_tokens", type=int, default=250, help="cut longer texts; 0: never")
    for name, (kind, meaning) in DECODING.items():
        default = f"the model's own (decode.yaml beside it), else {DEFAULTS[name]}"
        text = f"{meaning} (default: {default})"
        add(f"--{name}", type=kind, default=argparse.SUPPRESS, help=text)
    return parser


def check_decoding(options: Mapping[str, Any], where: str | Path) -> None:
    """Refuse decoding options of a file that cannot be used.

    Args:
        options: Options by name; an integer may stand for a float.
        where: The file, to name it.

    Raises:
        ValueError: If an option is unknown, of another type than its default, or out
            of range.
    """
    for name, value in options.items():
        if name not in DEFAULTS:
            raise ValueError(
                f"{where}: unknown option {name}; expected {', '.join(DEFAULTS)}"
            )
        kind = type(DEFAULTS[name])
        if type(value) is not kind and (kind, type(value)) != (float, int):
            raise ValueError(
                f"{where}: {name} is of type {type(value).__name__}; "
                f"expected {kind.__name__}"
            )
    try:
        Options(**options).check()
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def parse_options(cmd: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line; what it gives goes before what `--config` gives.

    Returns:
        All options, but of `DECODING` only those that are given; see `given_decoding`.
    """
    parser = get_parser()
    known, _ = parser.parse_known_args(cmd)
    if known.config:
        try:
            values = read_config(Path(known.config))
            unknown = sorted(
                map(str, values.keys() - vars(known).keys() - DECODING.keys())
            )
            if unknown:
                raise ValueError(
                    f"{known.config}: unknown options {', '.join(unknown)}"
                )
            check_decoding(
                {name: values[name] for name in DECODING if name in values},
                known.config,
            )
        except ValueError as error:
            parser.error(str(error))
        parser.set_defaults(**values)
    args = parser.parse_args(cmd)
    if bool(args.uslm) == bool(args.train_config):
        parser.error("give one of --uslm and --train_config")
    return args


def given_decoding(args: argparse.Namespace) -> dict[str, Any]:
    """Give the decoding options that command line or `--config` name."""
    return {name: getattr(args, name) for name in DECODING if hasattr(args, name)}
