"""All that the benchmark scored, as the writers of results take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espnet_st.slmtokbench.collect import find_system
from espnet_st.slmtokbench.estimates import Estimates
from espnet_st.slmtokbench.report.budgets import TrainedModel
from espnet_st.slmtokbench.speech_scores import SpeechScores
from espnet_st.slmtokbench.systems import System, layer_part
from espnet_st.slmtokbench.teachers import teacher_of
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts
from espnet_st.slmtokbench.tokens.scores import Tokens

Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Scores:
    """Hold all that was scored.

    Attributes:
        tokenizers: The systems' tokens.
        figures: Condition key to figures, see `paper_tables`.
        estimates: Figures with their draws.
        codebooks: Rows of table 6.
        counts: Codes and phones by title.
        speech: What was measured on speech.
        models: What was trained, and how long.
        not_scored: What was not scored, and why.
    """

    tokenizers: list[Tokens]
    figures: Figures
    estimates: Estimates
    codebooks: list[dict]
    counts: Mapping[str, CodePhoneCounts]
    speech: SpeechScores
    models: list[TrainedModel]
    not_scored: list[str]


def describe_lines(
    figures: Figures, codebooks: Sequence[dict], systems: Sequence[System]
) -> None:
    """Add to each line its system's `roles`, what `part` it is, and its `teacher`."""
    by_label = {system.label: system for system in systems}
    for key, line in figures.items():
        place = find_system(key, systems)
        if place is not None:
            system, line["part"] = place
            line["roles"] = list(system.roles)
            if line["kind"] == "resynthesis":
                line["teacher"], _ = teacher_of(system)
    for line in codebooks:
        line["roles"] = list(by_label[line["model"]].roles)
        line["part"] = layer_part("1")
