"""Scores of speech: every condition through every scorer that applies to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from espnet_st.slmtokbench.aggregate import Scores
from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.conditions import (
    SCORED_BY,
    Condition,
    condition_items,
    list_conditions,
    read_sources,
)
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.samples import condition_sample, sample_keys
from espnet_st.slmtokbench.scorers.base import QUALITY, NotScored
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
    conditions = list_conditions(recipe, n_q)
    originals = read_sources(recipe.test_dir / "wav.scp")
    samples = {c.key: condition_sample(c, config) for c in conditions[1:]}
    resynthesis = sample_keys(originals, config.max_utterances, config.seed)
    compared = set(sample_keys(resynthesis, config.quality_utterances, config.seed))
    # The originals are needed wherever one of their copies is judged.
    everywhere = {
        key
        for condition in conditions[1:]
        if condition.kind in ("tts", "conversion")
        for key in samples[condition.key]
    }
    samples["groundtruth"] = sorted((everywhere & set(originals)) | set(resynthesis))

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
        for kind in SCORED_BY[condition.kind]:
            some = items
            if kind == QUALITY:
                some = tuple(item for item in items if item.utt_id in compared)
            for scorer in config.scorer_names(kind):
                if some:
                    jobs.append(Job(scorer, condition.key, some))
    settings = recipe.scorer_settings(config)
    scores, missing_scorers = measure_jobs(jobs, settings, cache, nj)
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
    return SpeechScores(conditions, scores, missing_scorers, missing, failures)
