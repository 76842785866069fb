"""All that the benchmark scored, as the writers of results take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from espnet_st.slmtokbench.conditions import Condition
from espnet_st.slmtokbench.estimates import Estimates
from espnet_st.slmtokbench.report.budgets import TrainedModel
from espnet_st.slmtokbench.speech_scores import SpeechScores
from espnet_st.slmtokbench.systems import System, layer_part
from espnet_st.slmtokbench.teachers import teacher_of
from espnet_st.slmtokbench.tokens.recipe_codes import RecipeCodes
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
        codes: Figures of codes.
        speech: What was measured on speech.
        models: What was trained, and how long.
        not_scored: What was not scored, and why.
    """

    tokenizers: list[Tokens]
    figures: Figures
    estimates: Estimates
    codebooks: list[dict]
    codes: RecipeCodes
    speech: SpeechScores
    models: list[TrainedModel]
    not_scored: list[str]


def describe_lines(
    figures: Figures,
    codebooks: Sequence[dict],
    systems: Sequence[System],
    conditions: Sequence[Condition],
) -> None:
    """Add to each line its system's `roles`, what `part` it is, and its `teacher`."""
    by_key = {system.key: system for system in systems}
    by_label = {system.label: system for system in systems}
    for condition in conditions:
        line, system = figures.get(condition.key), by_key.get(condition.system)
        if line is None or system is None:
            continue
        line["part"], line["roles"] = condition.part, list(system.roles)
        if condition.kind == "resynthesis":
            line["teacher"], _ = teacher_of(system)
    for line in codebooks:
        line["roles"] = list(by_label[line["model"]].roles)
        line["part"] = layer_part("1")
