"""Pack a trained model as one zip of ESPnet's model zoo."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet2.utils.types import str2bool

from espnet_st.bin.convert import task_options
from espnet_st.bin.options import setup_logging
from espnet_st.checkpoints.archives import file_sha256
from espnet_st.checkpoints.model_writer import KINDS
from espnet_st.checkpoints.packing import WEIGHTS, About, pack

TASKS = {
    "codec": ("gan_codec", "GANCodecTask"),
    "tts": ("tts", "TTSTask"),
    "asr": ("asr", "ASRTask"),
}
"""ESPnet's tasks, whose options a configuration may lack."""


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's options."""
    parser = argparse.ArgumentParser(
        description="Pack a trained model as one zip: all that it needs, and nothing "
        "of this machine.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("kind", choices=tuple(KINDS), help="what model it is")
    parser.add_argument(
        "--model", required=True, help="directory, packed zip or name of the model"
    )
    parser.add_argument("--output", type=Path, required=True, help="the zip to write")
    parser.add_argument("--model_file", type=Path, help="another checkpoint of it")
    parser.add_argument(
        "--codec", help="codec of a USLM, if its codec.yaml names none or another"
    )
    parser.add_argument(
        "--weights",
        choices=tuple(WEIGHTS),
        default="float32",
        help="half the size, half as exact: float16",
    )
    parser.add_argument("--license", required=True, help="its name, e.g. cc-by-4.0")
    parser.add_argument("--license_file", type=Path, help="the licence's text")
    parser.add_argument(
        "--training_data", default=About.training_data, help="name of the corpus"
    )
    parser.add_argument(
        "--language", default=About.language, help="codes of its languages, with commas"
    )
    parser.add_argument("--results", type=Path, help="a RESULTS.md to carry")
    parser.add_argument(
        "--overwrite",
        type=str2bool,
        default=False,
        help="whether the zip may be there already",
    )
    return parser


def defaults(task: str) -> Mapping[str, Any]:
    """Give the options of an ESPnet task with their values."""
    return task_options(*TASKS[task])


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    setup_logging()
    about = About(
        args.license,
        args.training_data,
        args.language,
        args.results,
        args.license_file,
    )
    try:
        made = pack(
            args.kind,
            args.model,
            args.output,
            about,
            codec=args.codec,
            model_file=args.model_file,
            weights=args.weights,
            overwrite=args.overwrite,
            defaults=defaults,
        )
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    size = made.stat().st_size
    logging.info("%s: %d bytes, sha256 %s", made, size, file_sha256(made))


if __name__ == "__main__":
    main()
