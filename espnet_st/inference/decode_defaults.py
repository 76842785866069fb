"""Decoding defaults that travel with a USLM: `decode.yaml` beside its `config.yaml`.

The file holds options of `DecodingOptions` except seeds; an option that it leaves
out has the default of that class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from espnet_st.checkpoints.loading import read_config
from espnet_st.checkpoints.sources import DECODE
from espnet_st.inference.decode_options import check_decoding


def read_defaults(directory: Path) -> dict[str, Any]:
    """Read the decoding options that a model came with.

    Args:
        directory: Where its `config.yaml` is.

    Returns:
        Options by name; none if there is no `decode.yaml`.

    Raises:
        ValueError: If the file is no mapping, or an option in it is unknown, of
            another type or out of range.
    """
    path = directory / DECODE
    if not path.is_file():
        return {}
    options = read_config(path)
    check_decoding(options, path)
    return options
