"""`espnet-st info`: what a codec or a USLM is."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from espnet_st.bin.verbs.options import MODEL, model_of, verb_parser


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the verb."""
    parser = verb_parser("info", "Tell what a codec or a USLM is.")
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help=f"directory, packed zip or name; {MODEL} in the environment by default",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def run(args: argparse.Namespace) -> int:
    """Describe a model, and return the exit code."""
    from espnet_st.inference.description import describe_model

    about = describe_model(model_of(args))
    if args.json:
        sys.stdout.write(json.dumps(about, indent=1, default=str) + "\n")
    else:
        sys.stdout.write(as_text(about))
    return 0


def as_text(about: Mapping[str, Any]) -> str:
    """Lay out a description for readers, a line for each thing."""
    rows = {name.replace("_", " "): value for name, value in about.items()}
    results = rows.pop("results")
    width = max(map(len, rows)) + 2
    lines = [f"{name:{width}}{_value(value)}" for name, value in rows.items()]
    return "\n".join([*lines, *([str(results).strip()] if results else [])]) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping) and value:
        return "; ".join(f"{name} {_value(one)}" for name, one in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    if value is None or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)
