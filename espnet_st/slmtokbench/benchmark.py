"""SLMTokBench over a recipe's systems: scores, tables, figures and the report."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.report.code_tables import code_tables
from espnet_st.slmtokbench.report.environment import describe_environment
from espnet_st.slmtokbench.report.page import Section, render_report
from espnet_st.slmtokbench.report.results import (
    failure_lines,
    paper_tables,
    results_markdown,
    write_scores,
)
from espnet_st.slmtokbench.report.sections import make_sections
from espnet_st.slmtokbench.report.tables import Table, scorer_table, to_markdown
from espnet_st.slmtokbench.scorers.registry import (
    CONFIG_LISTS,
    find_scorer,
    quality_columns,
)
from espnet_st.slmtokbench.speech_figures import SpeechFigures
from espnet_st.slmtokbench.speech_scores import SpeechScores, score_speech
from espnet_st.slmtokbench.systems import System
from espnet_st.slmtokbench.teachers import teacher_of
from espnet_st.slmtokbench.tokens.recipe_codes import (
    codebook_rows,
    score_recipe_codes,
    shown_figures,
)
from espnet_st.slmtokbench.tokens.scores import Tokens, score_alignment


def load_tokens(systems: Sequence[System]) -> list[Tokens]:
    """Read codebooks and frame rate of each system's codec."""
    tokenizers = []
    for system in systems:
        codec = AudioCoding.from_pretrained(system.codec_exp)
        tokenizers.append(Tokens(system, codec.codebooks.clone(), codec.frame_rate))
    return tokenizers


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


def run(
    config: BenchmarkConfig, recipe: Recipe, output: Path, nj: int, device: str = "cpu"
) -> None:
    """Score everything and write the results.

    Args:
        config: Settings.
        recipe: The systems, and where things are.
        output: Directory of the results.
        nj: Processes.
        device: Where the downstream recogniser is trained.
    """
    torch.set_num_threads(1)
    images = output / "images"
    images.mkdir(parents=True, exist_ok=True)
    cache = ScoreCache(output / "cache")
    tokenizers = load_tokens(recipe.systems)
    n_q = {tokens.system.key: tokens.n_q for tokens in tokenizers}
    clock = time.monotonic()

    codes = score_recipe_codes(tokenizers, recipe, config, cache)
    codebooks = codebook_rows(codes, recipe)
    clock = _lap(clock, "codes and phones")
    alignment, unaligned = score_alignment(
        tokenizers, recipe, config, cache, nj, device
    )
    clock = _lap(clock, "text alignment")
    speech = score_speech(recipe, config, n_q, cache, nj)
    figures = SpeechFigures(speech, recipe, config).all()
    clock = _lap(clock, "speech")

    for key, scores in alignment.items():
        figures[key]["alignment"] = scores
    for system in recipe.systems:
        name, _ = teacher_of(system)
        for line in figures.values():
            if line["kind"] == "resynthesis" and line["model"] == system.label:
                line["teacher"] = name
    columns = quality_columns(config.quality, config.scorers)
    tables = paper_tables(figures, codebooks, columns)
    tables |= code_tables(shown_figures(codes, recipe))
    scorers = describe_scorers(config, speech)
    unscored = [f"{name}: {why}" for name, why in codes.missing.items()]
    unscored += [f"text alignment of {name}: {why}" for name, why in unaligned.items()]
    unscored += [f"{name}: {why}" for name, why in speech.missing_conditions.items()]
    unscored += [f"{name}: {why}" for name, why in speech.missing_scorers.items()]
    unscored += failure_lines(speech.failures)
    environment = describe_environment()
    title = ", ".join(str(system.codec_exp) for system in recipe.systems)

    (output / "RESULTS.md").write_text(
        results_markdown(
            environment,
            title,
            config.as_yaml(),
            [*tables.values(), scorers],
            config.notes,
            unscored,
        ),
        encoding="utf-8",
    )
    write_scores(
        output / "scores.json",
        {
            "environment": environment,
            "config": dataclasses.asdict(config),
            "systems": [dataclasses.asdict(system) for system in recipe.systems],
            "figures": figures,
            "codebooks": codebooks,
            "codes": codes.figures,
            "failures": speech.failures,
            "not_scored": unscored,
        },
    )
    sections = make_sections(
        recipe, config, tokenizers, speech, tables, codes.counts, images
    )
    if config.notes:
        sections.append(Section("What to know", notes=config.notes))
    scorers = dataclasses.replace(scorers, notes=unscored)
    page = render_report(
        f"Results of {', '.join(system.label for system in recipe.systems)}",
        "Speech tokens and language models scored with SLMTokBench. Headphones help.",
        environment,
        [*sections, Section("What was scored", tables=[scorers])],
        config.as_yaml(),
    )
    (output / "report.html").write_text(page, encoding="utf-8")
    _lap(clock, "figures and report")
    for table in tables.values():
        sys.stdout.write(to_markdown(table) + "\n")
    sys.stdout.write(f"{output}/RESULTS.md\n{output}/report.html\n")


def _lap(since: float, what: str) -> float:
    """Log the seconds since a time; return the time now."""
    now = time.monotonic()
    logging.info("%s: %.0f s", what, now - since)
    return now
