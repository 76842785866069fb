"""Finds the scorers: every module of this package may register some."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_st.slmtokbench.scorers.base import QUALITY, SCORERS, Scorer, Setting
from espnet_st.slmtokbench.scorers.quality import QualityScorer

CONFIG_LISTS = {
    "recognizer": "recognizers",
    "speaker": "speaker_encoders",
    "quality": "quality",
}
"""Kind of scorer to the setting that lists those to run."""


def all_scorers() -> dict[str, type[Scorer]]:
    """Return every scorer by name."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{package}.{module.name}")
    return SCORERS


def all_settings() -> dict[str, Setting]:
    """Return the settings of all scorers by name."""
    return {s.name: s for scorer in all_scorers().values() for s in scorer.settings}


def find_scorer(name: str, kind: str | None = None) -> type[Scorer]:
    """Find a scorer's class by its name.

    Raises:
        ValueError: None has this name, or it is of another kind.
    """
    known = [n for n, s in all_scorers().items() if kind in (None, s.kind)]
    if name not in known:
        raise ValueError(
            f"Unknown {kind or 'scorer'} {name!r}, expected one of "
            f"{', '.join(sorted(known))}."
        )
    return SCORERS[name]


def quality_columns(
    names: Sequence[str], settings: Mapping[str, Any]
) -> dict[str, str]:
    """Name the figures of scorers of quality, each with the head of its column.

    Args:
        names: Of the scorers, in order.
        settings: Of all scorers.
    """
    columns: dict[str, str] = {}
    for name in names:
        scorer = find_scorer(name, QUALITY)
        assert issubclass(scorer, QualityScorer), f"{name} is no QualityScorer"
        columns |= scorer.columns(settings)
    return columns


def build_scorer(name: str, settings: Mapping[str, Any]) -> Scorer:
    """Build a scorer by its name.

    Raises:
        ValueError: An unknown name.
        NotScored: It cannot run here.
    """
    return find_scorer(name)(settings)
