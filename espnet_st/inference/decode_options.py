"""Decoding options as users give them: names, types, defaults, checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from espnet2.utils.types import str2bool

from espnet_st.uslm.decoding.options import DecodingOptions

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
"""Type on the command line and meaning of `uslm.decoding.DecodingOptions`."""

DEFAULTS = {
    field.name: field.default
    for field in fields(DecodingOptions)
    if field.name in DECODING
}
"""Their values where neither the user nor the model gives others."""


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
        DecodingOptions(**options).check()
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
