"""Resynthesis of anybody's tokens beside the original speech."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from espnet_st.data.kaldi import write_table
from espnet_st.slmtokbench.adapter_runs import has_decoder, resynthesize_codes
from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.conditions import Condition
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.samples import sample_keys
from espnet_st.slmtokbench.speech_figures import SpeechFigures
from espnet_st.slmtokbench.speech_scores import score_conditions
from espnet_st.slmtokbench.systems import (
    layer_part,
    layer_span,
    layer_title,
    resynthesis_spans,
)
from espnet_st.slmtokbench.token_inputs import Tokens
from espnet_st.slmtokbench.token_results import KEY, Parts


def score_resynthesis(
    parts: Parts,
    tokens: Tokens,
    config: BenchmarkConfig,
    output: Path,
    cache: ScoreCache,
    nj: int,
) -> None:
    """Score resynthesis beside the original speech."""
    audio = {k: v for k, v in tokens.audio.items() if k in tokens.scored.codes}
    if not audio:
        parts.not_scored["speech"] = "needs --audio and --resynthesized, or --model"
        return
    sample = sample_keys(
        set(audio) & set(tokens.scored.texts or audio),
        config.max_utterances,
        config.seed,
    )
    made = _resyntheses(parts, tokens, sample, output)
    if not made:
        return
    work = output / "work"
    test = work / "raw" / "test"
    test.mkdir(parents=True, exist_ok=True)
    write_table(test / "wav.scp", {key: audio[key] for key in sample})
    texts = {key: tokens.scored.texts.get(key, "") for key in sample}
    text = test / "text" if all(texts.values()) else None
    if text is not None:
        write_table(text, texts)
    else:
        parts.not_scored["word error rate of resynthesis"] = "needs --text"
        config = replace(config, recognizers=())
    if tokens.speakers:
        known = {k: tokens.speakers[k] for k in sample if k in tokens.speakers}
        write_table(test / "utt2spk", known)
    truth = Condition(
        "groundtruth", "", "Groundtruth", "", "original", test / "wav.scp", text
    )
    conditions = [truth] + [
        Condition(
            KEY, layer_part(s), tokens.name, layer_title(s), "resynthesis", p, text
        )
        for s, p in made.items()
    ]
    recipe = Recipe((), work, work, "train", "valid", "test")
    parts.speech = score_conditions(
        conditions,
        {key: Path(audio[key]) for key in sample},
        config,
        recipe.scorer_settings(config),
        cache,
        nj,
    )
    figures = SpeechFigures(parts.speech, recipe, config)
    parts.figures = figures.all()
    parts.estimates |= figures.estimates
    for name, reason in parts.speech.missing_conditions.items():
        parts.not_scored[name] = reason
    for name, reason in parts.speech.missing_scorers.items():
        parts.not_scored[name] = reason


def _resyntheses(
    parts: Parts, tokens: Tokens, sample: list[str], output: Path
) -> Mapping[str, Path]:
    """Make or find the resynthesis by span of layers."""
    whole = layer_span(1, tokens.n_q)
    if tokens.resynthesized:
        path = output / "work" / "resynthesized" / "wav.scp"
        path.parent.mkdir(parents=True, exist_ok=True)
        there = {k: v for k, v in tokens.resynthesized.items() if k in set(sample)}
        if not there:
            parts.not_scored["speech"] = (
                "no utterance of --resynthesized is among those with codes and audio"
            )
            return {}
        write_table(path, there)
        return {whole: path}
    if tokens.adapter is None:
        parts.not_scored["speech"] = "needs --resynthesized, or --model"
        return {}
    if not has_decoder(tokens.adapter):
        parts.not_scored["speech"] = (
            f"{tokens.adapter.name} has no decoder: needs --resynthesized"
        )
        return {}
    directory = output / "work" / f"resynthesis_{tokens.stamp}"
    return {
        span: resynthesize_codes(
            tokens.adapter,
            tokens.scored.codes,
            sample,
            int(span.rpartition("-")[2]),
            directory / layer_part(span),
        )
        for span in resynthesis_spans(tokens.n_q)
    }
