"""Writes the results of a run: scores.json, estimates.npz, RESULTS.md, report.html."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.cache import fingerprint
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.estimates import FILE, write_estimates
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.report.budgets import budget_table
from espnet_st.slmtokbench.report.code_tables import code_tables
from espnet_st.slmtokbench.report.environment import describe_environment
from espnet_st.slmtokbench.report.page import Section, render_report
from espnet_st.slmtokbench.report.results import (
    paper_tables,
    results_markdown,
    write_scores,
)
from espnet_st.slmtokbench.report.sections import make_sections
from espnet_st.slmtokbench.report.tables import Table, scorer_table
from espnet_st.slmtokbench.report.verdicts import orderings_section
from espnet_st.slmtokbench.scorers.registry import (
    CONFIG_LISTS,
    find_scorer,
    quality_columns,
)
from espnet_st.slmtokbench.scores import Scores
from espnet_st.slmtokbench.seeds import SCORES, Run
from espnet_st.slmtokbench.speech_scores import SpeechScores
from espnet_st.slmtokbench.tokens.recipe_codes import shown_figures
from espnet_st.slmtokbench.verdicts import judge_paper, systems_of_roles


def write_results(
    config: BenchmarkConfig, recipe: Recipe, scores: Scores, output: Path
) -> dict[str, Table]:
    """Write everything; return the paper's tables by name."""
    environment = describe_environment()
    write_scores(
        output / SCORES,
        {
            "environment": environment,
            "config": dataclasses.asdict(config),
            "systems": [dataclasses.asdict(system) for system in recipe.systems],
            "sample": describe_sample(config, recipe),
            "figures": scores.figures,
            "codebooks": scores.codebooks,
            "codes": scores.codes.figures,
            "models": [dataclasses.asdict(model) for model in scores.models],
            "failures": scores.speech.failures,
            "not_scored": scores.not_scored,
        },
    )
    write_estimates(output / FILE, scores.estimates)
    columns = quality_columns(config.quality, config.scorers)
    tables = paper_tables(scores.figures, scores.codebooks, columns, scores.models)
    tables |= code_tables(shown_figures(scores.codes, recipe))
    write_markdown(config, recipe, scores, tables, environment, output)
    write_report(config, recipe, scores, tables, environment, output)
    return tables


def describe_scorers(config: BenchmarkConfig, speech: SpeechScores) -> Table:
    """Say which scorers ran, and why others did not."""
    lines = []
    for kind in CONFIG_LISTS:
        for name in config.scorer_names(kind):
            reason = speech.missing_scorers.get(name)
            state = "scored" if reason is None else f"not scored: {reason}"
            measures = find_scorer(name).measures.format(**config.scorers)
            lines.append((name, measures, state))
    return scorer_table(lines)


def describe_sample(config: BenchmarkConfig, recipe: Recipe) -> dict[str, Any]:
    """Say which utterances are scored: results that agree here can be compared."""
    texts = {
        name: recipe.raw_dir / name / "text"
        for name in (recipe.valid_set, recipe.test_set)
    }
    settings = {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if name == "seed" or name.endswith("_utterances")
    }
    return {
        **settings,
        **{
            f"utterances of {name}": fingerprint(keys=sorted(read_table(path)))
            for name, path in texts.items()
            if path.is_file()
        },
    }


def write_markdown(
    config: BenchmarkConfig,
    recipe: Recipe,
    scores: Scores,
    tables: Mapping[str, Table],
    environment: Mapping[str, str],
    output: Path,
) -> None:
    """Write RESULTS.md."""
    trained = budget_table(scores.models)
    scorers = describe_scorers(config, scores.speech)
    text = results_markdown(
        environment,
        ", ".join(str(system.codec_exp) for system in recipe.systems),
        config.as_yaml(),
        [*tables.values(), trained, scorers],
        config.notes,
        scores.not_scored,
    )
    (output / "RESULTS.md").write_text(text, encoding="utf-8")


def write_report(
    config: BenchmarkConfig,
    recipe: Recipe,
    scores: Scores,
    tables: Mapping[str, Table],
    environment: Mapping[str, str],
    output: Path,
) -> None:
    """Write report.html and the pictures in it."""
    images = output / "images"
    images.mkdir(exist_ok=True)
    sections = []
    if roles := systems_of_roles(recipe.systems):
        run = Run(output.name, scores.estimates, {})
        sections.append(orderings_section(judge_paper(recipe.systems, [run]), roles))
    sections += make_sections(
        recipe,
        config,
        scores.tokenizers,
        scores.speech,
        tables,
        scores.codes.counts,
        images,
    )
    if config.notes:
        sections.append(Section("What to know", notes=config.notes))
    scorers = dataclasses.replace(
        describe_scorers(config, scores.speech), notes=scores.not_scored
    )
    sections.append(Section("What was trained", tables=[budget_table(scores.models)]))
    sections.append(Section("What was scored", tables=[scorers]))
    page = render_report(
        _title([system.label for system in recipe.systems]),
        "Speech tokens and language models scored with SLMTokBench. Headphones help.",
        environment,
        sections,
        config.as_yaml(),
    )
    (output / "report.html").write_text(page, encoding="utf-8")


def _title(labels: Sequence[str]) -> str:
    """Name the systems while they fit in a line."""
    few = len(labels) <= 3
    return f"Results of {', '.join(labels) if few else f'{len(labels)} systems'}"
