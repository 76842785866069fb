"""Scores of speech: every condition through every scorer that applies to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_st.slmtokbench.aggregate import Scores
from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.conditions import (
    Condition,
    applies,
    condition_items,
    list_conditions,
    read_sources,
)
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.samples import condition_sample, original_keys, sample_keys
from espnet_st.slmtokbench.scorers.base import QUALITY, NotScored
from espnet_st.slmtokbench.scorers.registry import CONFIG_LISTS, find_scorer
from espnet_st.slmtokbench.scorers.scoring import Job, measure_jobs


@dataclass(frozen=True)
class SpeechScores:
    """Hold what was measured on speech.

    Attributes:
        conditions: All, scored or not.
        scores: Measurements by (scorer, condition).
        missing_scorers: Scorer to why it cannot run here.
        missing_conditions: Condition key to why it was not scored.
        failures: "scorer on condition" to utterance id to why.
    """

    conditions: list[Condition]
    scores: Scores
    missing_scorers: dict[str, str]
    missing_conditions: dict[str, str]
    failures: dict[str, dict[str, str]]


def score_speech(
    recipe: Recipe,
    config: BenchmarkConfig,
    n_q: Mapping[str, int],
    cache: ScoreCache,
    nj: int,
) -> SpeechScores:
    """Measure all conditions of a recipe.

    Args:
        recipe: Where they lie.
        config: Which scorers, how many utterances.
        n_q: Key of each system to the layers of its codes.
        cache: Of finished scores.
        nj: Processes.

    Raises:
        ValueError: There is no test set.
    """
    originals = read_sources(recipe.test_dir / "wav.scp")
    conditions = list_conditions(recipe, n_q)
    settings = recipe.scorer_settings(config)
    return score_conditions(conditions, originals, config, settings, cache, nj)


def score_conditions(
    conditions: Sequence[Condition],
    originals: Mapping[str, Path],
    config: BenchmarkConfig,
    settings: Mapping[str, Any],
    cache: ScoreCache,
    nj: int,
) -> SpeechScores:
    """Measure conditions.

    Args:
        conditions: The first is the original speech.
        originals: Utterance id to original speech.
        config: Which scorers, how many utterances.
        settings: Of all scorers.
        cache: Of finished scores.
        nj: Processes.
    """
    samples, judged = _draw_samples(conditions, originals, config)
    jobs, missing, failures = [], {}, {}
    for condition in conditions:
        sample = samples[condition.key]
        try:
            items, absent = condition_items(condition, sample, originals)
        except NotScored as reason:
            missing[condition.key] = str(reason)
            continue
        if absent:
            failures[f"all scorers on {condition.key}"] = absent
        few = tuple(item for item in items if item.utt_id in judged[condition.key])
        for kind in CONFIG_LISTS:
            some = few if kind == QUALITY else items
            for name in config.scorer_names(kind):
                if some and applies(find_scorer(name), condition.kind):
                    jobs.append(Job(name, condition.key, some))
    scores, missing_scorers = measure_jobs(
        jobs, settings, cache, nj, config.scorer_timeout
    )
    for (scorer, key), measured in scores.items():
        if measured.failed:
            failures[f"{scorer} on {key}"] = dict(sorted(measured.failed.items()))
    for where, reasons in failures.items():
        logging.warning(
            "%s: %d utterances have no score: %s",
            where,
            len(reasons),
            " ".join(reasons),
        )
    return SpeechScores(list(conditions), scores, missing_scorers, missing, failures)


def _draw_samples(
    conditions: Sequence[Condition],
    originals: Mapping[str, Path],
    config: BenchmarkConfig,
) -> tuple[dict[str, list[str]], dict[str, set[str]]]:
    """Draw the utterances of each condition, and those whose quality is judged."""
    truth, *others = conditions
    samples = {c.key: condition_sample(c, config) for c in others}
    samples[truth.key] = sample_keys(originals, config.max_utterances, config.seed)
    judged = {
        key: set(sample_keys(sample, config.quality_utterances, config.seed))
        for key, sample in samples.items()
    }
    # The originals are needed wherever one of their copies is judged.
    for condition in others:
        if condition.kind in ("tts", "conversion"):
            here = originals.keys() & original_keys(condition, samples[condition.key])
            samples[truth.key] = sorted(here.union(samples[truth.key]))
            judged[truth.key] |= here & original_keys(condition, judged[condition.key])
    return samples, judged
