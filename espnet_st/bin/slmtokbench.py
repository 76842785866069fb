"""SLMTokBench over a recipe's experiments: scores, tables, figures and the report."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from espnet_st.bin.codec_inference import AudioCoding
from espnet_st.bin.jobs import setup_logging
from espnet_st.bin.loading import read_config
from espnet_st.slmtokbench.config import BenchmarkConfig, load_config, override
from espnet_st.slmtokbench.environment import describe_environment
from espnet_st.slmtokbench.publish import (
    failure_lines,
    paper_tables,
    results_markdown,
    write_scores,
)
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.report import Section, render_report
from espnet_st.slmtokbench.rows import RowCache
from espnet_st.slmtokbench.sections import make_sections
from espnet_st.slmtokbench.speech_scores import (
    SpeechScores,
    score_speech,
    speech_figures,
)
from espnet_st.slmtokbench.tables import Table, scorer_table, to_markdown
from espnet_st.slmtokbench.token_scores import Tokens, score_alignment, score_codebook

MEASURES = {
    "pocketsphinx": "words ({language_model} language model)",
    "whisper": "words",
    "resemblyzer": "voice",
    "wavlm": "voice",
    "stoi": "intelligibility against the original",
    "pesq": "quality against the original, wide band",
    "visqol": "quality against the original, speech mode",
}


def get_parser() -> argparse.ArgumentParser:
    """The command's options; every setting of the configuration is one too."""
    parser = argparse.ArgumentParser(
        description="Score a recipe's codec, USLM and conversions.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--config", help="YAML of settings")
    parser.add_argument("--codec_exp", type=Path, required=True, help="trained codec")
    parser.add_argument("--baseline_exp", type=Path, help="codec without distillation")
    parser.add_argument("--uslm_exp", type=Path, help="trained USLM")
    parser.add_argument("--valle_exp", type=Path, help="USLM on the baseline's codes")
    parser.add_argument("--dump_dir", type=Path, default="dump", help="of stages 2, 5")
    parser.add_argument("--data_dir", type=Path, default="data", help="of stage 1")
    parser.add_argument(
        "--codes_dir", type=Path, help="codes of the codec; <dump_dir>/codes if absent"
    )
    parser.add_argument(
        "--baseline_codes_dir",
        type=Path,
        help="codes of the baseline; <dump_dir>/codes_<tag> of exp/codec_<tag>",
    )
    parser.add_argument("--train_set", default="train")
    parser.add_argument("--valid_set", default="dev")
    parser.add_argument("--test_set", default="test")
    parser.add_argument("--output_dir", type=Path, required=True, help="for results")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    group = parser.add_argument_group("settings, over those of --config, as YAML")
    for field in dataclasses.fields(BenchmarkConfig):
        group.add_argument(f"--{field.name}", metavar=field.name.upper())
    return parser


def read_settings(args: argparse.Namespace) -> BenchmarkConfig:
    """The configuration with the command line's settings over it."""
    config = load_config(args.config) if args.config else BenchmarkConfig()
    names = [field.name for field in dataclasses.fields(BenchmarkConfig)]
    given = {
        name: yaml.safe_load(getattr(args, name))
        for name in names
        if getattr(args, name) is not None
    }
    return override(config, given)


def read_recipe(args: argparse.Namespace) -> Recipe:
    """Directories from the command line, with their defaults."""
    codes_dir = args.codes_dir or args.dump_dir / "codes"
    baseline_codes = args.baseline_codes_dir
    if args.baseline_exp is not None and baseline_codes is None:
        tag = args.baseline_exp.name.removeprefix("codec_")
        baseline_codes = args.dump_dir / f"codes_{tag}"
    return Recipe(
        codec_exp=args.codec_exp,
        baseline_exp=args.baseline_exp,
        uslm_exp=args.uslm_exp,
        valle_exp=args.valle_exp,
        dump_dir=args.dump_dir,
        data_dir=args.data_dir,
        train_set=args.train_set,
        valid_set=args.valid_set,
        test_set=args.test_set,
        codes_dir=codes_dir,
        baseline_codes_dir=baseline_codes,
    )


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


def run(args: argparse.Namespace) -> None:
    """Score, and write everything under `args.output_dir`."""
    config, recipe = read_settings(args), read_recipe(args)
    torch.set_num_threads(1)
    output, images = args.output_dir, args.output_dir / "images"
    images.mkdir(parents=True, exist_ok=True)
    cache = RowCache(output / "rows")
    codec, codecs = load_tokens(recipe)
    clock = time.monotonic()

    codebooks, counts, missing = score_codebooks(codecs, recipe, cache)
    clock = _lap(clock, "codes and phones")
    alignment, unaligned = score_alignment(codecs, recipe, config, cache, args.nj)
    clock = _lap(clock, "text alignment")
    speech = score_speech(recipe, config, codec.n_q, cache, args.nj)
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


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    setup_logging()
    run(args)


if __name__ == "__main__":
    main()
