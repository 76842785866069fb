"""The figures that tables tell of each condition, from what was measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.aggregate import (
    contrast_with_others,
    differential_errors,
    first_scored,
    mean,
    same_voice_similarity,
    similarity,
    word_error_difference,
    word_errors,
)
from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.conditions import Condition, read_sources
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.estimates import Estimates
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.samples import condition_sample, original_keys, sample_keys
from espnet_st.slmtokbench.scorers.base import RECOGNIZER, SPEAKER, Measurements
from espnet_st.slmtokbench.scorers.registry import quality_columns
from espnet_st.slmtokbench.scorers.wer import Errors, describe_errors, error_rate
from espnet_st.slmtokbench.speech_scores import SpeechScores

TARGETS = {"resynthesis": "groundtruth", "tts": "prompt", "conversion": "reference"}
"""Kind of condition to the condition whose voice it should have."""
TRUTH = "groundtruth"
CONTRAST = ("own", "others", "nearest")
"""Mean similarity to the voice that was asked for, and to all other voices; per cent of
utterances nearer to that voice than to any other."""
Figures = dict[str, Any]


def _speakers(path: Path) -> dict[str, str]:
    return read_table(path) if path.is_file() else {}


class _Line:
    """Collect the figures of one line of a table, and their draws.

    Args:
        model, tokens, kind: As in `Condition`.
    """

    def __init__(self, model: str, tokens: str, kind: str):
        self.figures: Figures = {"model": model, "tokens": tokens, "kind": kind}
        self.estimates: dict[str, Estimate] = {}

    def add(self, name: str, estimate: Estimate | None) -> None:
        """Add a figure, None where there is nothing to compute it of."""
        self.figures[name] = None if estimate is None else estimate.value
        if estimate is not None:
            self.estimates[name] = estimate

    def add_errors(self, name: str, errors: Mapping[str, Errors], seed: int) -> None:
        """Add a word error rate with its counts, if there are words."""
        if any(one.words for one in errors.values()):
            self.estimates[name] = error_rate(errors, seed)
            self.figures[name] = describe_errors(errors, self.estimates[name])

    def add_contrast(
        self, contrasts: Mapping[str, tuple[float, float, float]], seed: int
    ) -> None:
        """Add the means of what `contrast_with_others` found."""
        figures: Figures = {}
        for column, name in enumerate(CONTRAST):
            values = {utt: contrast[column] for utt, contrast in contrasts.items()}
            if (estimate := mean(values, seed)) is not None:
                figures[name] = estimate.value
                self.estimates[f"contrast_{name}"] = estimate
        if figures:
            figures["utterances"] = len(contrasts)
        self.figures["contrast"] = figures or None

    def all(self) -> Figures:
        """Return the figures with the intervals of those that have one."""
        intervals = {name: one.as_json() for name, one in self.estimates.items()}
        return {**self.figures, "intervals": intervals}


class SpeechFigures:
    """Compute the figures of all conditions.

    Args:
        speech: What was measured.
        recipe: Where the speakers are named.
        config: Which scorers fill the tables, sizes and seed.

    Attributes:
        estimates: Figures with their draws, as `all` computed them, by the system's
            key in the list (without a seed), part and name. The ground truth's parts
            are the kinds of condition beside whose utterances it stands.
    """

    def __init__(self, speech: SpeechScores, recipe: Recipe, config: BenchmarkConfig):
        self.speech, self.recipe, self.config = speech, recipe, config
        self.recognizer = first_scored(config.scorer_names(RECOGNIZER), speech.scores)
        self.encoder = first_scored(config.scorer_names(SPEAKER), speech.scores)
        self.speakers = _speakers(recipe.test_dir / "utt2spk")
        self.prompt_speakers = _speakers(recipe.test_dir / "zeroshot" / "utt2spk")
        self.bases = {system.key: system.base for system in recipe.systems}
        self.estimates: Estimates = {}

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
            Condition key to `model`, `tokens`, `kind` and, where measured, `wer` (see
            `corpus_wer`), `dwer` (of resynthesis, see `differential_errors`), `sim` (to
            the original, the prompt or the reference), `sim_source`, `contrast`, and
            the means of the scorers of quality. `intervals` has value, low and high of
            each by its name; those of the contrast are `contrast_own`,
            `contrast_others` and `contrast_nearest`. Each LM after the first has
            `wer_above`, the first's name to `wer_difference` from it. The ground truth
            has its figures as a line of each kind's table under that kind.
        """
        self.estimates = {}
        conditions = [c for c in self.speech.conditions if c.kind != "voice"]
        figures = {}
        for condition in conditions:
            line = self._of(condition)
            self._record(condition.system, condition.part, line)
            figures[condition.key] = line.all()
        self._compare_lms(conditions, figures)
        for kind in TARGETS:
            line = self._ground_truth(kind)
            self._record(TRUTH, kind, line)
            figures[TRUTH][kind] = line.all()
        return figures

    def _record(self, system: str, part: str, line: _Line) -> None:
        base = self.bases.get(system, system)
        self.estimates |= {
            (base, part, name): one for name, one in line.estimates.items()
        }

    def _of(self, condition: Condition) -> _Line:
        """Compute the figures of one condition."""
        key, kind, seed = condition.key, condition.kind, self.config.seed
        line = _Line(condition.model, condition.tokens, kind)
        words, made = self.words(key), self.voices(key)
        if words is not None:
            line.add_errors("wer", word_errors(words), seed)
            original = self.words(TRUTH)
            if kind == "resynthesis" and original is not None:
                line.add_errors("dwer", differential_errors(words, original), seed)
        targets, sources = self.voices(TARGETS.get(kind)), self.voices("source")
        if made is not None and targets is not None:
            line.add("sim", similarity(made, targets, seed))
            if kind == "tts":
                line.add_contrast(
                    contrast_with_others(made, targets, self.prompt_speakers), seed
                )
        if kind == "conversion" and made is not None and sources is not None:
            line.add("sim_source", similarity(made, sources, seed))
        self._add_quality(line, key)
        return line

    def _add_quality(
        self, line: _Line, key: str, keys: Collection[str] | None = None
    ) -> None:
        """Add the means of the scorers of quality, over `keys` if given."""
        for name in self.config.quality:
            scored = self.speech.scores.get((name, key))
            if scored is None:
                continue
            for figure in quality_columns([name], self.config.scorers):
                values = {
                    utt: value[figure]
                    for utt, value in scored.values.items()
                    if keys is None or utt in keys
                }
                line.add(figure, mean(values, self.config.seed))

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

    def _ground_truth(self, kind: str) -> _Line:
        """Compute the ground truth as a line of a table, on that table's utterances."""
        config, seed = self.config, self.config.seed
        if kind == "resynthesis":
            originals = read_sources(self.recipe.test_dir / "wav.scp")
            keys = set(sample_keys(originals, config.max_utterances, seed))
        else:
            keys = {
                key
                for condition in self.speech.conditions
                if condition.kind == kind
                for key in original_keys(condition, condition_sample(condition, config))
            }
        line = _Line("Groundtruth", "", "original")
        words, voices = self.words(TRUTH), self.voices(TRUTH)
        if words is not None:
            line.add_errors("wer", word_errors(words, keys), seed)
        self._add_quality(line, TRUTH, keys)
        if voices is None:
            return line
        if kind == "resynthesis":
            line.add("sim", similarity(voices, voices, seed))
        elif kind == "tts" and (prompts := self.voices("prompt")) is not None:
            line.add("sim", similarity(voices, prompts, seed))
            line.add_contrast(
                contrast_with_others(voices, prompts, self.prompt_speakers), seed
            )
        elif kind == "conversion":
            line.add("sim", same_voice_similarity(voices, self.speakers, seed))
        return line
