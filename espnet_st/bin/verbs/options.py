"""Options that several verbs have, and what they stand for."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from espnet_st.bin.options import pick_device

if TYPE_CHECKING:
    from espnet_st.inference.audio_coding import AudioCoding

MODEL = "ESPNET_ST_MODEL"
"""Environment variable that stands for `--model`."""


def verb_parser(verb: str, description: str) -> argparse.ArgumentParser:
    """Make the parser of a verb, without any option."""
    return argparse.ArgumentParser(
        prog=f"espnet-st {verb}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )


def add_model(
    parser: argparse.ArgumentParser,
    kind: str = "codec",
    dtypes: str = "float32 or bfloat16",
) -> None:
    """Add `--model`, `--dtype` and `--ngpu`."""
    parser.add_argument(
        "--model",
        default=argparse.SUPPRESS,
        help=f"directory, packed zip or name of a {kind} (default: {MODEL} in the "
        "environment)",
    )
    parser.add_argument(
        "--dtype",
        default="float32",
        help=f"{dtypes}, or auto for what is fast here",
    )
    parser.add_argument("--ngpu", type=int, default=0, help="1 to use a GPU")


def add_inputs(parser: argparse.ArgumentParser, what: str) -> None:
    """Add what the verb is done to, how much of it at once, and where results go."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help=f"{what}: files, 'patterns*', directories, tables (.scp), or - for "
        "standard input",
    )
    parser.add_argument(
        "--batch_size", type=_count, default=8, help="inputs at once, of like lengths"
    )


def add_output(
    parser: argparse.ArgumentParser,
    forms: str,
    default: str = "of one input a file here, of standard input standard output",
) -> None:
    """Add `-o`."""
    parser.add_argument(
        "-o",
        "--output",
        default=argparse.SUPPRESS,
        help=f"{forms}, or - for standard output (default: {default})",
    )


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected at least 1")
    return int(text)


def model_of(args: argparse.Namespace) -> str:
    """Give the model that is meant.

    Raises:
        ValueError: If none is.
    """
    model = getattr(args, "model", None) or os.environ.get(MODEL)
    if not model:
        raise ValueError(f"no model: name one, or set {MODEL} in the environment")
    return model


def load_codec(args: argparse.Namespace) -> AudioCoding:
    """Load the codec that is meant.

    Raises:
        ValueError: If it cannot be loaded; the message names it.
    """
    from espnet_st.inference.audio_coding import AudioCoding

    model, device = model_of(args), pick_device(args.ngpu)
    try:
        return AudioCoding.from_pretrained(model, device, args.dtype)
    except ValueError as error:
        raise ValueError(f"model {model}: {error}") from error
