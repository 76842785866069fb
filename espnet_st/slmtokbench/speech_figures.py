"""The figures that tables tell of each condition, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.aggregate import (
    contrast_with_others,
    first_scored,
    mean,
    same_voice_similarity,
    similarity,
    word_error_difference,
    word_errors,
)
from espnet_st.slmtokbench.conditions import Condition, read_sources
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.samples import condition_sample, sample_keys
from espnet_st.slmtokbench.scorers.base import RECOGNIZER, SPEAKER, Measurements
from espnet_st.slmtokbench.speech_scores import SpeechScores

TARGETS = {"resynthesis": "groundtruth", "tts": "prompt", "conversion": "reference"}
"""Kind of condition to the condition whose voice it should have."""
Figures = dict[str, Any]


def _speakers(path: Path) -> dict[str, str]:
    return read_table(path) if path.is_file() else {}


class SpeechFigures:
    """Compute the figures of all conditions.

    Args:
        speech: What was measured.
        recipe: Where the speakers are named.
        config: Which scorers fill the tables, sizes and seed.
    """

    def __init__(self, speech: SpeechScores, recipe: Recipe, config: BenchmarkConfig):
        self.speech, self.recipe, self.config = speech, recipe, config
        self.recognizer = first_scored(config.scorer_names(RECOGNIZER), speech.scores)
        self.encoder = first_scored(config.scorer_names(SPEAKER), speech.scores)
        self.speakers = _speakers(recipe.test_dir / "utt2spk")
        self.prompt_speakers = _speakers(recipe.test_dir / "zeroshot" / "utt2spk")

    def words(self, key: str) -> Measurements | None:
        """Return the recognised words of a condition, None if there are none."""
        if self.recognizer is None:
            return None
        found = self.speech.scores.get((self.recognizer, key))
        return found if found is not None and found.values else None

    def voices(self, key: str | None) -> Measurements | None:
        """Return the embedded voices of a condition, None if there are none."""
        if self.encoder is None or key is None:
            return None
        return self.speech.scores.get((self.encoder, key))

    def all(self) -> dict[str, Figures]:
        """Compute all figures.

        Returns:
            Condition key to `model`, `tokens`, `kind` and, where measured, `wer`,
            `sim` (to the original, the prompt or the reference), `sim_source`,
            `contrast`, and the means of the scorers of quality. Each LM after the
            first has `wer_above`, the first's name to `wer_difference` from it. The
            ground truth has its figures as a line of each kind's table under that
            kind.
        """
        conditions = [c for c in self.speech.conditions if c.kind != "voice"]
        figures = {condition.key: self._of(condition) for condition in conditions}
        self._compare_lms(conditions, figures)
        for kind in TARGETS:
            figures["groundtruth"][kind] = self._ground_truth(kind)
        return figures

    def _of(self, condition: Condition) -> Figures:
        """Compute the figures of one condition."""
        key, kind = condition.key, condition.kind
        figures: Figures = {
            "model": condition.model,
            "tokens": condition.tokens,
            "kind": kind,
        }
        words, made = self.words(key), self.voices(key)
        targets, sources = self.voices(TARGETS.get(kind)), self.voices("source")
        if words is not None:
            figures["wer"] = word_errors(words, self.config.seed)
        if made is not None and targets is not None:
            figures["sim"] = similarity(made, targets)
            if kind == "tts":
                figures["contrast"] = contrast_with_others(
                    made, targets, self.prompt_speakers
                )
        if kind == "conversion" and made is not None and sources is not None:
            figures["sim_source"] = similarity(made, sources)
        for name in self.config.quality:
            scored = self.speech.scores.get((name, key))
            if scored is not None:
                figures[name] = mean(scored.values)
        return figures

    def _compare_lms(
        self, conditions: list[Condition], figures: Mapping[str, Figures]
    ) -> None:
        """Set the word errors of each LM beside those of the first."""
        conditions = [c for c in conditions if c.kind == "tts"]
        words = self.words(conditions[0].key) if conditions else None
        for other in conditions[1:]:
            compared = self.words(other.key)
            if words is None or compared is None:
                continue
            if words.values.keys() & compared.values.keys():
                difference = word_error_difference(compared, words, self.config.seed)
                name = f"{conditions[0].model} on {conditions[0].tokens}"
                figures[other.key]["wer_above"] = {name: difference}

    def _ground_truth(self, kind: str) -> Figures:
        """Compute the ground truth as a line of a table, on that table's utterances."""
        config = self.config
        if kind == "resynthesis":
            originals = read_sources(self.recipe.test_dir / "wav.scp")
            keys = set(sample_keys(originals, config.max_utterances, config.seed))
        else:
            keys = {
                key
                for condition in self.speech.conditions
                if condition.kind == kind
                for key in condition_sample(condition, config)
            }
        figures: Figures = {"model": "Groundtruth", "tokens": "", "kind": "original"}
        words, voices = self.words("groundtruth"), self.voices("groundtruth")
        if words is not None and keys & set(words.values):
            figures["wer"] = word_errors(words, config.seed, keys)
        if voices is None:
            return figures
        if kind == "resynthesis":
            figures["sim"] = similarity(voices, voices)
        elif kind == "tts" and (prompts := self.voices("prompt")) is not None:
            figures["sim"] = similarity(voices, prompts)
            figures["contrast"] = contrast_with_others(
                voices, prompts, self.prompt_speakers
            )
        elif kind == "conversion":
            figures["sim"] = same_voice_similarity(voices, self.speakers)
        return figures
