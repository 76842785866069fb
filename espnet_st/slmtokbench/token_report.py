"""Writes the results of a benchmark of anybody's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.estimates import FILE, write_estimates
from espnet_st.slmtokbench.report.code_tables import code_tables
from espnet_st.slmtokbench.report.environment import describe_environment
from espnet_st.slmtokbench.report.figures import draw_spectrograms, player_cards
from espnet_st.slmtokbench.report.page import Section, render_report
from espnet_st.slmtokbench.report.plots import plot_phones_given_codes
from espnet_st.slmtokbench.report.results import (
    failure_lines,
    results_markdown,
    write_scores,
)
from espnet_st.slmtokbench.report.tables import (
    NOT_SCORED,
    Table,
    number,
    reconstruction_table,
)
from espnet_st.slmtokbench.scorers.registry import quality_columns
from espnet_st.slmtokbench.systems import layer_part, layer_title, resynthesis_spans
from espnet_st.slmtokbench.token_inputs import Tokens
from espnet_st.slmtokbench.token_options import TokenInputs
from espnet_st.slmtokbench.token_results import Parts

NAMED = 10
"""Utterances that were left out and are named in RESULTS.md; scores.json has all."""


def write_results(
    given: TokenInputs,
    tokens: Tokens,
    parts: Parts,
    config: BenchmarkConfig,
    output: Path,
) -> tuple[dict[str, Any], dict[str, Table], dict[str, Path]]:
    """Write everything.

    `scores.json` holds `name`, `inputs` (what was given), `environment`, `config`,
    `tokens` (`n_q`, `codebook_sizes`, `frame_rate`, `utterances` of each set),
    `text_alignment` ("rvq1" and so on to figures, see `alignment.align`), `speech`
    (condition to figures, see `SpeechFigures.all`), `codes` (see `score_codes`),
    `not_scored` (part to what it needs), `left_out` ("set/utterance" to why),
    `failures` of scorers, and `notes`. `estimates.npz` has each figure with its draws.

    Returns:
        What `scores.json` holds, the tables, and the paths.
    """
    sets = {"scored": tokens.scored, "train": tokens.train}
    sets |= {"valid": tokens.valid, "test": tokens.test}
    failures = parts.speech.failures if parts.speech is not None else {}
    environment = describe_environment()
    scores: dict[str, Any] = {
        "name": tokens.name,
        "inputs": given.described(),
        "environment": environment,
        "config": asdict(config),
        "tokens": {
            "n_q": tokens.n_q,
            "codebook_sizes": list(tokens.sizes),
            "frame_rate": tokens.frame_rate,
            "utterances": {
                name: len(one.codes if name == "scored" else one.texts)
                for name, one in sets.items()
                if one is not None
            },
        },
        "text_alignment": parts.alignment,
        "speech": parts.figures,
        "codes": parts.codes.figures,
        "not_scored": parts.not_scored,
        "left_out": tokens.left_out,
        "failures": failures,
        "notes": tokens.notes,
    }
    paths = {
        "scores": output / "scores.json",
        "estimates": output / FILE,
        "markdown": output / "RESULTS.md",
        "report": output / "report.html",
    }
    write_scores(paths["scores"], scores)
    write_estimates(paths["estimates"], parts.estimates)
    tables = _tables(tokens, parts, config)
    unscored = [f"{name}: {why}" for name, why in parts.not_scored.items()]
    unscored += [*_left_out(tokens), *failure_lines(failures)]
    notes = [*tokens.notes, *config.notes]
    paths["markdown"].write_text(
        results_markdown(
            environment,
            tokens.name,
            config.as_yaml(),
            list(tables.values()),
            notes,
            unscored,
        ),
        encoding="utf-8",
    )
    page = render_report(
        f"Results of {tokens.name}",
        "Speech tokens scored with SLMTokBench.",
        environment,
        _sections(tokens, parts, config, tables, notes, unscored, output / "images"),
        config.as_yaml(),
    )
    paths["report"].write_text(page, encoding="utf-8")
    return scores, tables, paths


def _left_out(tokens: Tokens) -> list[str]:
    """Write lines of utterances that were left out, the first by name."""
    lines = [f"{key}: {why}" for key, why in tokens.left_out.items()]
    more = len(lines) - NAMED
    return lines[:NAMED] + ([f"and {more} more, see scores.json"] if more > 0 else [])


def _tables(tokens: Tokens, parts: Parts, config: BenchmarkConfig) -> dict[str, Table]:
    tables = {}
    if parts.alignment:
        tables["text_alignment"] = alignment_table(tokens, parts)
    if parts.figures:
        truth = parts.figures.get("groundtruth", {})
        rows = [truth.get("resynthesis", truth)]
        rows += [f for f in parts.figures.values() if f["kind"] == "resynthesis"]
        columns = quality_columns(config.quality, config.scorers)
        table = reconstruction_table(rows, columns)
        tables["resynthesis"] = replace(table, title="Resynthesis")
    return tables | code_tables({tokens.name: parts.codes.figures})


def alignment_table(tokens: Tokens, parts: Parts) -> Table:
    """Lay out mutual information and the downstream recogniser's errors."""
    lines = []
    for span in resynthesis_spans(tokens.n_q):
        found = parts.alignment.get(layer_part(span), {})
        error = NOT_SCORED
        if "wer" in found:
            error = f"{found['wer']:.1f} ({found['low']:.1f}–{found['high']:.1f})"
        lines.append(
            (
                tokens.name,
                layer_title(span),
                number(found, "mi", 1),
                number(found, "mi_per_character", 2),
                error,
            )
        )
    return Table(
        "Text alignment",
        ("Tokenizer", "Layers", "MI ↑", "MI per character ↑", "Downstream WER % ↓"),
        lines,
        [
            "MI: mutual information of tokens and text, nats per utterance, by a "
            "BLSTM-CTC recogniser on tokens (paper, section 2.1); WER: its errors."
        ],
    )


def _sections(
    tokens: Tokens,
    parts: Parts,
    config: BenchmarkConfig,
    tables: dict[str, Table],
    notes: Sequence[str],
    unscored: Sequence[str],
    images: Path,
) -> list[Section]:
    """Lay out the page: text, speech, codes, and what is missing."""
    sections = []
    if "text_alignment" in tables:
        sections.append(Section("Text alignment", tables=[tables["text_alignment"]]))
    if "resynthesis" in tables and parts.speech is not None:
        conditions, figures = parts.speech.conditions, []
        path = images / "spectrograms.png"
        if draw_spectrograms(conditions, config, path):
            figures.append(("Mel spectrograms of one utterance", path))
        sections.append(
            Section(
                "Resynthesis",
                tables=[tables["resynthesis"]],
                figures=figures,
                cards=player_cards(
                    conditions, "resynthesis", {"Original": "groundtruth"}, config
                ),
            )
        )
    figures = []
    if parts.codes.counts:
        path = images / "phones_given_codes.png"
        plot_phones_given_codes({f"{tokens.name} RVQ-1": parts.codes.counts[0]}, path)
        figures.append(("Phones given codes of the first layer", path))
    of_codes = [table for name, table in tables.items() if name.startswith("code_")]
    sections.append(Section("Codes", tables=of_codes, figures=figures))
    for title, lines in (("What to know", notes), ("Not scored", unscored)):
        if lines:
            sections.append(Section(title, notes=lines))
    return sections
