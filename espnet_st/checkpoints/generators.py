"""Building the generator of a trained codec, of whatever kind, with its weights."""

from __future__ import annotations

from pathlib import Path

from espnet_st.checkpoints.loading import (
    GENERATOR,
    find_checkpoint,
    load_files,
    load_state,
    load_strictly,
    read_config,
)
from espnet_st.checkpoints.sources import model_files
from espnet_st.codec.abs_generator import AbsGenerator
from espnet_st.codec.generator import Generator
from espnet_st.codec.stock import STOCK_CODECS, StockGenerator

OURS = "speechtokenizer"


def load_generator(
    source: str | Path, model_file: str | Path | None = None
) -> AbsGenerator:
    """Load a codec of this package, or one of ESPnet's own.

    Args:
        source: See `sources.model_files`.
        model_file: The checkpoint; by default the one that `source` has.

    Raises:
        ValueError: If there is no such codec, it is of a kind that is not known, or a
            file of it is missing or damaged.
    """
    files = model_files(source)
    config = read_config(files.config) if files.config.suffix == ".yaml" else {}
    kind = config.get("codec", OURS)
    if files.task or kind == OURS or not isinstance(kind, str):
        conf, state = load_files(files, source, model_file)
        generator: AbsGenerator = Generator(**conf)
    elif kind in STOCK_CODECS:
        generator = StockGenerator(kind, config.get("codec_conf") or {})
        checkpoint = model_file or files.checkpoint
        state = load_state(Path(checkpoint or find_checkpoint(files.config.parent)))
    else:
        known = ", ".join((OURS, *STOCK_CODECS))
        raise ValueError(f"{source} is of codec {kind!r}; expected one of {known}")
    load_strictly(generator, state, GENERATOR)
    return generator
