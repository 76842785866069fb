"""Gathers figures with their draws from what was measured, for `estimates.npz`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from espnet_st.slmtokbench.aggregate import paired_similarity
from espnet_st.slmtokbench.bootstrap import bootstrap, ratio
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.estimates import Estimates
from espnet_st.slmtokbench.scorers.wer import count_errors
from espnet_st.slmtokbench.speech_figures import TARGETS, SpeechFigures
from espnet_st.slmtokbench.systems import System


def find_system(condition: str, systems: Iterable[System]) -> tuple[System, str] | None:
    """Split a condition's key into its system and what was made with it.

    Returns:
        None for a condition of no system, such as the ground truth.
    """
    found = [one for one in systems if condition.startswith(f"{one.key}_")]
    if not found:
        return None
    system = max(found, key=lambda one: len(one.key))  # "mini_x" before "mini"
    return system, condition[len(system.key) + 1 :]


def speech_estimates(
    figures: SpeechFigures, systems: Iterable[System], config: BenchmarkConfig
) -> Estimates:
    """Compute word error rates, similarities and qualities with their draws.

    Names are of the system's key without seed.
    """
    systems = list(systems)
    estimates: Estimates = {}
    for condition in figures.speech.conditions:
        place = find_system(condition.key, systems)
        if place is None:
            continue
        values: dict[str, dict] = {}
        words = figures.words(condition.key)
        if words is not None:
            values["wer"] = {}
            for utt, value in words.values.items():
                errors = count_errors(
                    value["reference"].split(), value["hypothesis"].split()
                )
                values["wer"][utt] = (errors.total, errors.words)
        voices = figures.voices(condition.key)
        targets = {"sim": TARGETS.get(condition.kind)}
        if condition.kind == "conversion":
            targets["sim_source"] = "source"
        for name, target in targets.items():
            others = figures.voices(target)
            if voices is not None and others is not None:
                values[name] = paired_similarity(voices.values, others.values)
        for name in config.quality:
            scored = figures.speech.scores.get((name, condition.key))
            if scored is not None:
                values[name] = dict(scored.values)
        for name, table in values.items():
            if table:
                figure = _per_cent if name == "wer" else ratio
                key = (place[0].base, place[1], name)
                estimates[key] = bootstrap(table, figure, config.seed)
    return estimates


def _per_cent(sums: np.ndarray) -> np.ndarray:
    return 100.0 * ratio(sums)
