"""Figures of codes over the systems of a recipe: table 6, figure 5, and more."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import TimedPhone, read_ctm, read_table
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.cache import ScoreCache, file_stamps, fingerprint
from espnet_st.slmtokbench.conditions import read_sources
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.estimates import Estimates
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.scorers.base import read_speech
from espnet_st.slmtokbench.tokens.code_scores import CodeScores, score_codes
from espnet_st.slmtokbench.tokens.coded_set import CodedSet
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts
from espnet_st.slmtokbench.tokens.scores import Tokens
from espnet_st.slmtokbench.tokens.tokenizer import codec_tokenizer

OF_TRAINING = ("usage", "phones")
"""What is counted over the training set, as in the paper, as well as over the test."""

MAX_UTTERANCES = 30_000
"""Of a set, all of train_clean_100 of LibriSpeech; of larger sets a sample."""


@dataclass
class RecipeCodes:
    """Hold the figures of codes of all systems.

    Attributes:
        figures: Label of a system to set name to figures, see `score_codes`.
        counts: Title to phones by codes of the first layer of the training set, for
            figure 5.
        estimates: Of all systems; PNMI, purities and entropy of the training set.
        missing: What was not scored, and why.
    """

    figures: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    counts: dict[str, CodePhoneCounts] = field(default_factory=dict)
    estimates: Estimates = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def score_recipe_codes(
    tokenizers: Sequence[Tokens],
    recipe: Recipe,
    config: BenchmarkConfig,
    cache: ScoreCache,
) -> RecipeCodes:
    """Score the codes of each system on the training and on the test set.

    Args:
        tokenizers: The systems' tokens.
        recipe: Where codes, phones and speakers are.
        config: Which figures, of how many utterances, and the seed.
        cache: Of finished scores.
    """
    result = RecipeCodes()
    for tokens in tokenizers:
        label = tokens.system.label
        result.figures[label] = {}
        for name in (recipe.test_set, recipe.train_set):  # the latter's estimates stay
            try:
                scores = _scores_of(tokens, name, recipe, config, cache)
            except ValueError as error:
                result.missing[f"codes of {label} on {name}"] = str(error)
                continue
            result.figures[label][name] = scores.figures
            result.estimates.update(scores.estimates)
            if name == recipe.train_set and scores.counts:
                result.counts[f"{label} RVQ-1"] = scores.counts[0]
            for what, reason in scores.missing.items():
                result.missing[f"{what} of {label} on {name}"] = reason
    return result


def shown_figures(result: RecipeCodes, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Choose what tables show of each system: of the training set, if it was scored."""
    return {
        label: by_set.get(recipe.test_set, {}) | by_set.get(recipe.train_set, {})
        for label, by_set in result.figures.items()
    }


def codebook_rows(result: RecipeCodes, recipe: Recipe) -> list[dict[str, Any]]:
    """List the rows of table 6: the first layer of each system on each set."""
    rows = []
    for name in (recipe.train_set, recipe.test_set):
        for label, figures in result.figures.items():
            row: dict[str, Any] = {"model": label, "tokens": "RVQ-1", "set": name}
            if "phones" in figures.get(name, {}):
                row |= figures[name]["phones"]["layers"][0]
            rows.append(row)
    return rows


def _scores_of(
    tokens: Tokens,
    name: str,
    recipe: Recipe,
    config: BenchmarkConfig,
    cache: ScoreCache,
) -> CodeScores:
    """Score the codes of a system on a set, or find that they were."""
    is_test = name == recipe.test_set
    wanted = [f for f in config.code_figures if is_test or f in OF_TRAINING]
    sets = [name, recipe.train_set] if is_test else [name]
    directory = tokens.system.codes_dir
    speakers, times = recipe.raw_dir / name / "utt2spk", recipe.phone_times(name)
    stamp = fingerprint(
        codes=file_stamps(directory / one / "codes.scp" for one in sets),
        tables=file_stamps([speakers, times]),
        codec=tokens.codebooks.double().sum().item(),
        frame_rate=tokens.frame_rate,
        settings=(wanted, config.tokenizer_utterances, config.seed),
    )
    key = f"{tokens.system.key}_{name}"
    content = cache.get("codes", key, stamp)
    done = CodeScores() if content is None else _from_json(content)
    # What could not be scored then may be now, with the package that it needs.
    left = [figure for figure in wanted if figure not in done.figures]
    if not left:
        return done
    found = _score(tokens, name, recipe, config, left)
    scores = CodeScores(
        done.figures | found.figures,
        done.estimates | found.estimates,
        found.counts or done.counts,
        found.missing,
    )
    if found.figures:
        cache.put("codes", key, stamp, _to_json(scores))
    return scores


def _score(
    tokens: Tokens,
    name: str,
    recipe: Recipe,
    config: BenchmarkConfig,
    wanted: Sequence[str],
) -> CodeScores:
    speakers = recipe.raw_dir / name / "utt2spk"
    tokenizer, speech = None, None
    if {"stability", "speed"} & set(wanted):
        tokenizer = codec_tokenizer(
            AudioCoding.from_pretrained(tokens.system.codec_exp)
        )
        speech = _speech(recipe.raw_dir / name, tokenizer.sample_rate, config)
    train = None
    if name == recipe.test_set and "unit_lm" in wanted:
        train = _coded(tokens, recipe.train_set, config.seed)
    return score_codes(
        _coded(tokens, name, config.seed),
        key=tokens.system.base,
        phones=_phones(recipe, name),
        speakers=read_table(speakers) if speakers.is_file() else None,
        train=train,
        codebooks=[book.numpy() for book in tokens.codebooks],
        tokenizer=tokenizer,
        speech=speech,
        wanted=wanted,
        seed=config.seed,
    )


def _coded(tokens: Tokens, name: str, seed: int) -> CodedSet:
    reader = CodesReader(tokens.system.codes_dir / name / "codes.scp")
    keys = sorted(reader)
    if len(keys) > MAX_UTTERANCES:
        keys = random.Random(seed).sample(keys, MAX_UTTERANCES)
    codes = {key: reader[key] for key in keys}
    return CodedSet.of(codes, tokens.codebooks.shape[1], tokens.frame_rate)


def _phones(recipe: Recipe, name: str) -> Mapping[str, Sequence[TimedPhone]] | None:
    times = recipe.phone_times(name)
    return read_ctm(times) if times.is_file() else None


def _speech(
    directory: Path, sample_rate: int, config: BenchmarkConfig
) -> dict[str, np.ndarray]:
    """Read a sample of a set."""
    sources = read_sources(directory / "wav.scp")
    count = min(config.tokenizer_utterances, len(sources))
    chosen = sorted(random.Random(config.seed).sample(sorted(sources), count))
    return {key: read_speech(sources[key], sample_rate) for key in chosen}


def _to_json(scores: CodeScores) -> dict[str, Any]:
    return {
        "figures": scores.figures,
        "estimates": {
            "/".join(name): [one.value, *one.draws.astype(np.float32).tolist()]
            for name, one in scores.estimates.items()
        },
        "counts": [
            [list(one.phones), one.counts.tolist(), one.skipped]
            for one in scores.counts
        ],
    }


def _from_json(content: Mapping[str, Any]) -> CodeScores:
    estimates: Estimates = {}
    for name, (value, *draws) in content["estimates"].items():
        key, part, figure = name.split("/")
        estimates[key, part, figure] = Estimate(value, np.array(draws))
    counts = [
        CodePhoneCounts(tuple(phones), np.array(counts), skipped)
        for phones, counts, skipped in content["counts"]
    ]
    return CodeScores(content["figures"], estimates, counts)
