"""Parsing the options that several command lines have."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence


def setup_logging(level: str = "INFO") -> None:
    """Log as ESPnet's command lines do."""
    logging.basicConfig(
        level=level,
        format="%(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s",
    )


def parse_first_layers(text: str) -> int:
    """Parse the number of layers of `1` or `1-8`: decoding starts at the first."""
    first, _, last = text.partition("-")
    if first != "1" or not (last or first).isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}; expected 1, 1-2, ... or 1-8")
    return int(last or first)


def codec_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the options that all batch jobs of a codec have."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--codec", required=True, help="directory, packed zip or name of a codec"
    )
    parser.add_argument("--output_dir", required=True, help="where results go")
    parser.add_argument("--batch_size", type=int, default=8, help="utterances at once")
    parser.add_argument("--ngpu", type=int, default=0, help="1 to use a GPU")
    return parser


def parse_job(
    parser: argparse.ArgumentParser, cmd: Sequence[str] | None
) -> tuple[argparse.Namespace, str]:
    """Parse a job's options and start its log.

    Returns:
        The options, and the device to run on.
    """
    args = parser.parse_args(cmd)
    setup_logging()
    logging.info("%s", vars(args))
    return args, pick_device(args.ngpu)


def pick_device(ngpu: int) -> str:
    """Return "cuda" or "cpu".

    Raises:
        SystemExit: A GPU is asked for and PyTorch finds none; the message says so.
    """
    if not ngpu:
        return "cpu"
    import torch  # here, so that `--help` need not wait for it

    if not torch.cuda.is_available():
        raise SystemExit(
            f"--ngpu {ngpu}: PyTorch {torch.__version__} finds no GPU here; "
            "expected --ngpu 0, or a machine with a GPU and a PyTorch built for it"
        )
    return "cuda"


def check_ngpu(cmd: Sequence[str] | None) -> None:
    """Refuse a command line that asks for a GPU where there is none.

    For commands of ESPnet's, whose own parser comes later.

    Raises:
        SystemExit: See `pick_device`.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--ngpu", type=int, default=0)
    pick_device(parser.parse_known_args(cmd)[0].ngpu)
