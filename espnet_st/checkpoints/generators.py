"""Building the generator of a trained codec, this package's or ESPnet's own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_st.checkpoints.loading import (
    GENERATOR,
    check_kind,
    find_checkpoint,
    generator_conf,
    load_files,
    load_state,
    load_strictly,
    read_config,
)
from espnet_st.checkpoints.sources import model_files
from espnet_st.checkpoints.unit_teacher import find_teacher
from espnet_st.codec.abs_generator import AbsGenerator
from espnet_st.codec.generator import Generator
from espnet_st.codec.stock import STOCK_CODECS, StockGenerator
from espnet_st.codec.unit_generator import UnitGenerator

KNOWN_CODECS = (Generator.kind, UnitGenerator.kind, *STOCK_CODECS)
"""What a configuration may call its codec."""


def build_generator(config: Mapping[str, Any], path: Path) -> AbsGenerator:
    """Build the generator of a codec's configuration, one of `KNOWN_CODECS`.

    Args:
        config: What the configuration holds.
        path: Where it lies, or lay; see `unit_teacher.find_teacher`.
    """
    kind, conf = config["codec"], config.get("codec_conf") or {}
    if kind == Generator.kind:
        return Generator(**generator_conf(config))
    if kind == UnitGenerator.kind:
        known = inspect.signature(UnitGenerator).parameters
        own = {key: conf[key] for key in known if key in conf}
        return UnitGenerator(**own | {"teacher_conf": find_teacher(conf, path)})
    return StockGenerator(kind, conf)


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
    if files.config.suffix == ".json":
        conf, state = load_files(files, source, model_file)
        generator: AbsGenerator = Generator(**conf)
    else:
        config = read_config(files.config)
        check_kind(config, "codec", KNOWN_CODECS, source, files.task)
        generator = build_generator(config, files.config)
        checkpoint = model_file or files.checkpoint
        state = load_state(Path(checkpoint or find_checkpoint(files.config.parent)))
    load_strictly(generator, state, GENERATOR)
    return generator
