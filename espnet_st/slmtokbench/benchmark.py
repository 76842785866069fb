"""SLMTokBench over a recipe's experiments: scores, tables, figures and the report."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from espnet_st.checkpoints.loading import read_config
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.slmtokbench.cache import RowCache
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
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
from espnet_st.slmtokbench.speech_scores import (
    SpeechScores,
    score_speech,
    speech_figures,
)
from espnet_st.slmtokbench.tokens.scores import Tokens, score_alignment, score_codebook

MEASURES = {
    "pocketsphinx": "words ({language_model} language model)",
    "whisper": "words",
    "resemblyzer": "voice",
    "wavlm": "voice",
    "stoi": "intelligibility against the original",
    "pesq": "quality against the original, wide band",
    "visqol": "quality against the original, speech mode",
}


def read_teacher(exp: Path) -> tuple[str, Path | None]:
    """What the codec of an experiment was distilled from.

    Returns:
        Its name for table 3, and its directory if it is one here.
    """
    conf = read_config(exp / "config.yaml").get("codec_conf", {})
    teacher = conf.get("teacher_conf") or {}
    if not conf.get("lambda_distill", 1) or "name" not in teacher:
        return "-", None
    path = Path(teacher["name"])
    name = f"{path.name} {teacher.get('layer', '')}".strip()
    return name, path if path.is_dir() else None


def load_tokens(recipe: Recipe) -> tuple[AudioCoding, list[Tokens]]:
    """The codec, and the codes of it and of the baseline if there is one."""
    codec = AudioCoding.from_pretrained(recipe.codec_exp)
    codecs = [
        Tokens(
            "speechtokenizer",
            "SpeechTokenizer",
            recipe.codes_dir,
            codec.codebooks.clone(),
            codec.frame_rate,
        )
    ]
    if recipe.baseline_exp is not None:
        baseline = AudioCoding.from_pretrained(recipe.baseline_exp)
        codecs.append(
            Tokens(
                "baseline",
                "EnCodec-style",
                recipe.baseline_codes_dir,
                baseline.codebooks.clone(),
                baseline.frame_rate,
            )
        )
    return codec, codecs


def score_codebooks(
    codecs: list[Tokens], recipe: Recipe, cache: RowCache
) -> tuple[list[dict], dict[str, Any], dict[str, str]]:
    """Table 6: each codec on the training and on the test set.

    Returns:
        Rows; counts of the training set by codec, for figure 5; what is missing.
    """
    rows, counts, missing = [], {}, {}
    for name in (recipe.train_set, recipe.test_set):
        for tokens in codecs:
            row = {"model": tokens.model, "tokens": "RVQ-1", "set": name}
            try:
                table = score_codebook(tokens, name, recipe, cache)
                row.update(table.summary())
            except ValueError as reason:
                missing[f"PNMI of {tokens.model} on {name}"] = str(reason)
            else:
                if name == recipe.train_set:
                    counts[f"{tokens.model} RVQ-1"] = table
            rows.append(row)
    return rows, counts, missing


def describe_scorers(config: BenchmarkConfig, speech: SpeechScores) -> Table:
    """Which scorers ran, and why others did not."""
    rows = []
    for name in (*config.recognizers, *config.speaker_encoders, *config.quality):
        reason = speech.missing_scorers.get(name)
        state = "scored" if reason is None else f"not scored: {reason}"
        measures = MEASURES.get(name, "").format(**dataclasses.asdict(config))
        rows.append((name, measures, state))
    return scorer_table(rows)


def run(config: BenchmarkConfig, recipe: Recipe, output: Path, nj: int) -> None:
    """Score everything and write the results.

    Args:
        config: Settings.
        recipe: Where things are.
        output: Directory of the results.
        nj: Processes.
    """
    torch.set_num_threads(1)
    images = output / "images"
    images.mkdir(parents=True, exist_ok=True)
    cache = RowCache(output / "rows")
    codec, codecs = load_tokens(recipe)
    clock = time.monotonic()

    codebooks, counts, missing = score_codebooks(codecs, recipe, cache)
    clock = _lap(clock, "codes and phones")
    alignment, unaligned = score_alignment(codecs, recipe, config, cache, nj)
    clock = _lap(clock, "text alignment")
    speech = score_speech(recipe, config, codec.n_q, cache, nj)
    figures = speech_figures(speech, recipe, config)
    clock = _lap(clock, "speech")

    teacher, teacher_dir = read_teacher(recipe.codec_exp)
    for key, row in figures.items():
        row["alignment"] = alignment.get(key)
        if key.startswith("speechtokenizer"):
            row["teacher"] = teacher
    tables = paper_tables(figures, codebooks, config.quality)
    scorers = describe_scorers(config, speech)
    environment = describe_environment()
    configuration = yaml.safe_dump(_plain(config), sort_keys=False)
    remarks = [f"{name}: {why}" for name, why in missing.items()]
    remarks += [f"text alignment of {name}: {why}" for name, why in unaligned.items()]
    remarks += [f"{name}: {why}" for name, why in speech.missing_conditions.items()]
    remarks += [f"{name}: {why}" for name, why in speech.missing_scorers.items()]
    remarks += failure_lines(speech.failures)

    (output / "RESULTS.md").write_text(
        results_markdown(
            environment,
            str(recipe.codec_exp),
            configuration,
            [*tables.values(), scorers],
            remarks,
        ),
        encoding="utf-8",
    )
    write_scores(
        output / "scores.json",
        {
            "environment": environment,
            "config": _plain(config),
            "figures": figures,
            "codebooks": codebooks,
            "failures": speech.failures,
            "not_scored": remarks,
        },
    )
    notes = dataclasses.replace(scorers, notes=remarks)
    sections = make_sections(
        recipe, config, codec.quantized, speech, tables, counts, images, teacher_dir
    )
    page = render_report(
        f"Results of {recipe.codec_exp.name}",
        "SpeechTokenizer and USLM scored with SLMTokBench. Headphones help.",
        environment,
        [*sections, Section("What was scored", tables=[notes])],
        configuration,
    )
    (output / "report.html").write_text(page, encoding="utf-8")
    _lap(clock, "figures and report")
    for table in tables.values():
        sys.stdout.write(to_markdown(table) + "\n")
    sys.stdout.write(f"{output}/RESULTS.md\n{output}/report.html\n")


def _plain(config: BenchmarkConfig) -> dict[str, Any]:
    """Settings as YAML and JSON know them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }


def _lap(since: float, what: str) -> float:
    now = time.monotonic()
    logging.info("%s: %.0f s", what, now - since)
    return now
