"""Options of the command `tts_inference`, by ESPnet's names."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet_st.checkpoints.loading import read_config
from espnet_st.inference.decode_options import DECODING, DEFAULTS, check_decoding
from espnet_st.uslm.decoding.weight_precision import DTYPES


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command; `--config` gives values in a YAML file."""
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
    add_decoding(parser)
    return parser


def add_decoding(parser: argparse.ArgumentParser) -> None:
    """Add the decoding options; those that are not given are not in the result."""
    for name, (kind, meaning) in DECODING.items():
        default = f"the model's own (decode.yaml beside it), else {DEFAULTS[name]}"
        text = f"{meaning} (default: {default})"
        parser.add_argument(
            f"--{name}", type=kind, default=argparse.SUPPRESS, help=text
        )


def parse_options(cmd: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line; its values override those of `--config`.

    Returns:
        All options, but those of `DECODING` only if they are set; see `read_decoding`.
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


def read_decoding(args: argparse.Namespace) -> dict[str, Any]:
    """Read the decoding options that the command line or `--config` sets."""
    return {name: getattr(args, name) for name in DECODING if hasattr(args, name)}
