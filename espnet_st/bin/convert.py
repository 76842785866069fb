"""Convert between ESPnet's form of a model, the official and Hugging Face's."""

from __future__ import annotations

import argparse
import importlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet_st.bin.options import setup_logging
from espnet_st.checkpoints.exchange_codec import FORMS, convert_codec, form_of
from espnet_st.checkpoints.exchange_uslm import export_uslm, import_uslm
from espnet_st.checkpoints.official_uslm import N_HEADS
from espnet_st.checkpoints.uslm_release import is_release
from espnet_st.registry import register


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's options."""
    parser = argparse.ArgumentParser(
        description="Convert an official release to an ESPnet experiment directory, a "
        "model that ESPnet trained to the official release's form, and a codec to and "
        "from the form of Hugging Face."
    )
    parser.add_argument(
        "--codec",
        help="the codec to convert; with --uslm the codec of its codes, for codec.yaml",
    )
    parser.add_argument("--uslm", type=Path, help="directory of the USLM to convert")
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="a new directory"
    )
    parser.add_argument(
        "--to",
        choices=FORMS,
        help="form of the codec to write (default: espnet for an official release and "
        "for one of Hugging Face, official for others)",
    )
    parser.add_argument("--model_file", type=Path, help="another checkpoint of it")
    parser.add_argument(
        "--n_heads",
        type=int,
        default=N_HEADS,
        help="attention heads of an official USLM, which its files do not tell "
        "(default: %(default)s)",
    )
    return parser


def task_options(module: str, task: str) -> dict[str, Any]:
    """Give all options of one of ESPnet's tasks with their defaults."""
    register()  # importing ESPnet's tasks is slow: only where it is needed
    tasks = importlib.import_module(f"espnet2.tasks.{module}")
    return vars(getattr(tasks, task).get_parser().parse_args([]))


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    if not args.codec and not args.uslm:
        parser.error("give --codec or --uslm")
    if args.uslm and args.to:
        parser.error("--to is for a codec: a USLM has two forms")
    setup_logging()
    if args.uslm:
        form = "espnet" if is_release(args.uslm) else "official"
        if form == "espnet":
            import_uslm(
                args.uslm,
                args.output_dir,
                args.model_file,
                args.codec,
                args.n_heads,
                task_options("tts", "TTSTask"),
            )
        else:
            export_uslm(args.uslm, args.output_dir, args.model_file)
    else:
        default = "official" if form_of(args.codec) == "espnet" else "espnet"
        form = args.to or default
        options = (
            task_options("gan_codec", "GANCodecTask") if form == "espnet" else None
        )
        convert_codec(args.codec, args.output_dir, form, args.model_file, options)
    logging.info("%s is %s in form %s", args.output_dir, args.uslm or args.codec, form)


if __name__ == "__main__":
    main()
