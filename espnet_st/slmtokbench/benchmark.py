"""SLMTokBench over a recipe's systems: scores, tables, figures and the report."""

from __future__ import annotations

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
from espnet_st.slmtokbench.report.budgets import list_budgets
from espnet_st.slmtokbench.report.results import failure_lines
from espnet_st.slmtokbench.report.tables import to_markdown
from espnet_st.slmtokbench.report.writing import write_results
from espnet_st.slmtokbench.scores import Scores, describe_lines
from espnet_st.slmtokbench.speech_figures import SpeechFigures
from espnet_st.slmtokbench.speech_scores import score_speech
from espnet_st.slmtokbench.systems import System
from espnet_st.slmtokbench.tokens.alignment import read_alignment
from espnet_st.slmtokbench.tokens.alignment_scores import (
    alignment_file,
    score_alignment,
)
from espnet_st.slmtokbench.tokens.recipe_codes import (
    codebook_rows,
    score_recipe_codes,
)
from espnet_st.slmtokbench.tokens.scores import Tokens


def load_tokens(systems: Sequence[System]) -> list[Tokens]:
    """Read codebooks and frame rate of each system's codec."""
    tokenizers = []
    for system in systems:
        codec = AudioCoding.from_pretrained(system.codec_exp)
        tokenizers.append(Tokens(system, codec.codebooks.clone(), codec.frame_rate))
    return tokenizers


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
    output.mkdir(parents=True, exist_ok=True)
    scores = score(config, recipe, output, nj, device)
    clock = time.monotonic()
    tables = write_results(config, recipe, scores, output)
    _lap(clock, "figures and report")
    for table in tables.values():
        sys.stdout.write(to_markdown(table) + "\n")
    sys.stdout.write(f"{output}/RESULTS.md\n{output}/report.html\n")


def score(
    config: BenchmarkConfig, recipe: Recipe, output: Path, nj: int, device: str
) -> Scores:
    """Score tokens and speech, but for what the cache holds; arguments as of `run`."""
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
    of_speech = SpeechFigures(speech, recipe, config)
    figures = of_speech.all()
    _lap(clock, "speech")
    for key, scores in alignment.items():
        figures[key]["alignment"] = scores
    describe_lines(figures, codebooks, recipe.systems, speech.conditions)
    estimates = of_speech.estimates | codes.estimates
    bases = {system.key: system.base for system in recipe.systems}
    for condition in speech.conditions:
        if condition.key in alignment:
            path = alignment_file(cache, condition.key)
            for name, one in read_alignment(path, config.seed).items():
                estimates[bases[condition.system], condition.part, name] = one
    return Scores(
        tokenizers=tokenizers,
        figures=figures,
        estimates=estimates,
        codebooks=codebooks,
        codes=codes,
        speech=speech,
        models=list_budgets(recipe.systems),
        not_scored=[
            *(f"{name}: {why}" for name, why in codes.missing.items()),
            *(f"text alignment of {name}: {why}" for name, why in unaligned.items()),
            *(f"{name}: {why}" for name, why in speech.missing_conditions.items()),
            *(f"{name}: {why}" for name, why in speech.missing_scorers.items()),
            *failure_lines(speech.failures),
        ],
    )


def _lap(since: float, what: str) -> float:
    """Log the seconds since a time; return the time now."""
    now = time.monotonic()
    logging.info("%s: %.0f s", what, now - since)
    return now
