"""Convert between an official release and an ESPnet experiment directory."""

from __future__ import annotations

import argparse
import importlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet_st.bin.options import setup_logging
from espnet_st.checkpoints.exchange_codec import export_codec, import_codec
from espnet_st.checkpoints.exchange_uslm import export_uslm, import_uslm
from espnet_st.checkpoints.official_uslm import N_HEADS
from espnet_st.checkpoints.uslm_release import is_release
from espnet_st.registry import register


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's options."""
    parser = argparse.ArgumentParser(
        description="Convert an official release to an ESPnet experiment directory, or "
        "a model that ESPnet trained to the official release's form."
    )
    parser.add_argument(
        "--codec",
        help="the codec to convert; with --uslm the codec of its codes, for codec.yaml",
    )
    parser.add_argument("--uslm", type=Path, help="directory of the USLM to convert")
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="a new directory"
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
    setup_logging()
    if args.uslm:
        official = is_release(args.uslm)
        if official:
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
        here = Path(args.codec)
        official = (here / "config.json").is_file()
        official = official and not (here / "config.yaml").is_file()
        if official:
            options = task_options("gan_codec", "GANCodecTask")
            import_codec(args.codec, args.output_dir, args.model_file, options)
        else:
            export_codec(args.codec, args.output_dir, args.model_file)
    made = "ESPnet's" if official else "the official"
    logging.info("%s is %s in %s form", args.output_dir, args.uslm or args.codec, made)


if __name__ == "__main__":
    main()
