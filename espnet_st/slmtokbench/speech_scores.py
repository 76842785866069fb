"""Scores of speech: every condition through every scorer that applies to it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.aggregate import (
    Rows,
    contrast_with_others,
    first_scored,
    mean,
    same_voice_similarity,
    similarity,
    word_error_difference,
    word_errors,
)
from espnet_st.slmtokbench.cache import RowCache
from espnet_st.slmtokbench.conditions import (
    Condition,
    condition_items,
    list_conditions,
    read_sources,
)
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.scorers.base import NotScored
from espnet_st.slmtokbench.scorers.scoring import Job, measure_jobs
from espnet_st.slmtokbench.tokens.alignment import sample_keys


@dataclass(frozen=True)
class SpeechScores:
    """What was measured on speech.

    Attributes:
        conditions: all, scored or not.
        rows: measurements by (scorer, condition).
        missing_scorers: scorer to why it cannot run here.
        missing_conditions: condition key to why it was not scored.
        failures: "scorer on condition" to utterance id to why.
    """

    conditions: list[Condition]
    rows: Rows
    missing_scorers: dict[str, str]
    missing_conditions: dict[str, str]
    failures: dict[str, dict[str, str]]


def score_speech(
    recipe: Recipe, config: BenchmarkConfig, n_q: int, cache: RowCache, nj: int
) -> SpeechScores:
    """Measure all conditions of a recipe.

    Args:
        recipe: where they lie.
        config: which scorers, how many utterances.
        n_q: layers of the codec.
        cache: of finished rows.
        nj: processes.

    Raises:
        ValueError: there is no test set.
    """
    conditions = list_conditions(
        recipe.codec_exp,
        recipe.baseline_exp,
        recipe.uslm_exp,
        recipe.valle_exp,
        recipe.test_dir,
        recipe.test_set,
        n_q,
    )
    originals = read_sources(recipe.test_dir / "wav.scp")
    wanted = {c.key: _sample(c, config) for c in conditions[1:]}
    resynthesis = sample_keys(originals, config.max_utterances, config.seed)
    compared = set(sample_keys(resynthesis, config.quality_utterances, config.seed))
    # The originals are needed wherever one of their copies is judged.
    everywhere = {
        key
        for condition in conditions[1:]
        if condition.kind in ("tts", "conversion")
        for key in wanted[condition.key]
    }
    wanted["groundtruth"] = sorted((everywhere & set(originals)) | set(resynthesis))

    jobs, missing, failures = [], {}, {}
    for condition in conditions:
        try:
            items, absent = condition_items(condition, wanted[condition.key], originals)
        except NotScored as reason:
            missing[condition.key] = str(reason)
            continue
        if absent:
            failures[f"all scorers on {condition.key}"] = absent
        for scorer in condition.scorers(
            config.recognizers, config.speaker_encoders, config.quality
        ):
            some = items
            if scorer in config.quality:
                some = tuple(item for item in items if item.utt_id in compared)
            if some:
                jobs.append(Job(scorer, condition.key, some))
    settings = recipe.scorer_settings(config)
    rows, missing_scorers = measure_jobs(jobs, settings, cache, nj)
    for (scorer, key), row in rows.items():
        if row.failed:
            failures[f"{scorer} on {key}"] = dict(sorted(row.failed.items()))
    for where, items in failures.items():
        logging.warning(
            "%s: %d utterances have no score: %s", where, len(items), " ".join(items)
        )
    return SpeechScores(conditions, rows, missing_scorers, missing, failures)


def _sample(condition: Condition, config: BenchmarkConfig) -> list[str]:
    """The sample of a condition, drawn from what was to be made, not from what was."""
    table: Path = condition.text if condition.text is not None else condition.wav_scp
    if not table.is_file():
        return []
    return sample_keys(read_table(table), config.max_utterances, config.seed)


def speech_figures(
    scores: SpeechScores, recipe: Recipe, config: BenchmarkConfig
) -> dict[str, dict]:
    """The figures of each condition that are told in tables.

    Returns:
        Condition key to `model`, `tokens`, `kind` and, where measured, `wer`, `sim`
        (to the original, the prompt or the reference), `sim_source`, `contrast`, and
        the means of the quality scorers. The ground truth also has `zeroshot` and
        `conversion`, its figures as a row of those tables, and VALL-E
        `wer_above_uslm`.
    """
    recognizer = first_scored(config.recognizers, scores.rows)
    encoder = first_scored(config.speaker_encoders, scores.rows)
    target = {"resynthesis": "groundtruth", "tts": "prompt", "conversion": "reference"}
    prompt_speakers = _speakers(recipe.test_dir / "zeroshot" / "utt2spk")
    figures = {}
    for condition in scores.conditions:
        if condition.kind == "voice":
            continue
        row = {
            "model": condition.model,
            "tokens": condition.tokens,
            "kind": condition.kind,
        }
        heard = scores.rows.get((recognizer, condition.key))
        if heard is not None and heard.values:
            row["wer"] = word_errors(heard, config.seed)
        voice = scores.rows.get((encoder, condition.key))
        wanted = scores.rows.get((encoder, target.get(condition.kind)))
        if voice is not None and wanted is not None:
            row["sim"] = similarity(voice, wanted)
        source = scores.rows.get((encoder, "source"))
        if condition.kind == "conversion" and voice is not None and source is not None:
            row["sim_source"] = similarity(voice, source)
        if condition.kind == "tts" and voice is not None and wanted is not None:
            row["contrast"] = contrast_with_others(voice, wanted, prompt_speakers)
        for name in config.quality:
            scored = scores.rows.get((name, condition.key))
            if scored is not None:
                row[name] = mean(scored.values)
        figures[condition.key] = row
    pair = [scores.rows.get((recognizer, key)) for key in ("valle", "uslm")]
    if all(pair) and pair[0].values.keys() & pair[1].values.keys():
        figures["valle"]["wer_above_uslm"] = word_error_difference(*pair, config.seed)
    if "groundtruth" in figures:
        _add_ground_truth(figures, scores, recipe, config, recognizer, encoder)
    return figures


def _add_ground_truth(
    figures: dict,
    scores: SpeechScores,
    recipe: Recipe,
    config: BenchmarkConfig,
    recognizer: str | None,
    encoder: str | None,
) -> None:
    """The ground truth as a row of tables 2, 4 and 5, each on its own utterances."""
    truth = figures["groundtruth"]
    heard = scores.rows.get((recognizer, "groundtruth"))
    voice = scores.rows.get((encoder, "groundtruth"))
    prompts = scores.rows.get((encoder, "prompt"))
    samples = {c.kind: _sample(c, config) for c in scores.conditions}
    originals = read_sources(recipe.test_dir / "wav.scp")
    samples["resynthesis"] = sample_keys(originals, config.max_utterances, config.seed)
    for kind in ("resynthesis", "tts", "conversion"):
        keys = set(samples.get(kind, []))
        row = {"model": "Groundtruth", "tokens": "", "kind": "original"}
        if heard is not None and keys & set(heard.values):
            row["wer"] = word_errors(heard, config.seed, keys)
        if kind == "tts" and voice is not None and prompts is not None:
            row["sim"] = similarity(voice, prompts)
            speakers = _speakers(recipe.test_dir / "zeroshot" / "utt2spk")
            row["contrast"] = contrast_with_others(voice, prompts, speakers)
        if kind == "conversion" and voice is not None:
            speakers = _speakers(recipe.test_dir / "utt2spk")
            row["sim"] = same_voice_similarity(voice, speakers)
        truth[kind] = row


def _speakers(path: Path) -> dict[str, str]:
    return read_table(path) if path.is_file() else {}
