"""All figures of a set of codes in one call, for a recipe and for anybody's tokens.

`score_codes` gathers; what each figure is stands in the module that computes it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from espnet_st.data.kaldi import TimedPhone
from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.estimates import Estimates
from espnet_st.slmtokbench.scorers.base import NotScored
from espnet_st.slmtokbench.systems import layer_part, layer_span
from espnet_st.slmtokbench.tokens.abx import abx_errors
from espnet_st.slmtokbench.tokens.coded_set import CodedSet
from espnet_st.slmtokbench.tokens.phone_terms import phone_terms
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts, FrameLabels
from espnet_st.slmtokbench.tokens.shares import interval_json, shares
from espnet_st.slmtokbench.tokens.speed import speed
from espnet_st.slmtokbench.tokens.stability import stability
from espnet_st.slmtokbench.tokens.tokenizer import Tokenizer
from espnet_st.slmtokbench.tokens.unit_lm import unit_lm_terms
from espnet_st.slmtokbench.tokens.usage import (
    entropy_terms,
    layer_counts,
    layer_usage,
    token_rates,
)
from espnet_st.slmtokbench.tokens.voices import layer_voices

FIGURES = ("usage", "phones", "unit_lm", "voices", "abx", "stability", "speed")
QUICK = ("usage", "phones", "unit_lm", "voices")
"""What takes seconds for an hour of speech; the others are asked for by name."""


@dataclass
class CodeScores:
    """Hold every figure of a set of codes.

    Attributes:
        figures: JSON-able, by the names of `FIGURES`; those that could be computed.
            An interval is `{"value", "low", "high"}`. See `score_codes`.
        estimates: Figures with their draws, by (key, part, figure).
        counts: Phones by codes of each layer, for figure 5; empty without phones.
        missing: Name of `FIGURES` that was asked for and not scored, and why.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    estimates: Estimates = field(default_factory=dict)
    counts: list[CodePhoneCounts] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def score_codes(
    coded: CodedSet,
    *,
    key: str,
    phones: Mapping[str, Sequence[TimedPhone]] | None = None,
    speakers: Mapping[str, str] | None = None,
    train: CodedSet | None = None,
    codebooks: Sequence[np.ndarray] | None = None,
    tokenizer: Tokenizer | None = None,
    speech: Mapping[str, np.ndarray] | None = None,
    wanted: Collection[str] = QUICK,
    seed: int = 0,
) -> CodeScores:
    """Compute the figures that the codes, and what comes with them, allow.

    Bad input of one figure does not stop the others: it is in `missing`.

    Args:
        coded: The codes to score, `CodedSet.of(codes, codebook_sizes, frame_rate)`.
        key: Of the system, for the names of the estimates.
        phones: Times by utterance (`read_ctm`), for `phones` and `abx`.
        speakers: By utterance (`utt2spk`), for `voices` and `abx`.
        train: Codes that the unit language model is trained on; None to train it on the
            other utterances of `coded`.
        codebooks: Vectors (codebook_size, D) of each layer, for `voices`; `abx` takes
            them, too, if they are there.
        tokenizer: What made the codes, for `stability` and `speed`.
        speech: Utterance id to signal (N,) at the tokenizer's rate: the few utterances
            over which `stability` and `speed` are measured. They need not be coded.
        wanted: Names of `FIGURES`.
        seed: Of draws, samples and noise.

    Returns:
        Figures and estimates. Part "rvq3" is the third layer:

        - `usage`: `layers`, a list of `layer_usage` with `entropy` an interval; and
          `token_rates`. Estimate (key, "rvq3", "entropy").
        - `phones`: `layers`, a list of `CodePhoneCounts.summary` with `pnmi`,
          `phone_purity`, `cluster_purity` as intervals. Estimates of these three.
        - `unit_lm`: of layer 1: `perplexity`, `bits_per_code`, `bits_per_second`,
          `perplexity_by_order`. Estimates (key, "rvq1", "unit_lm_perplexity") and
          "unit_lm_bits_per_second".
        - `voices`: part to `accuracy` and `chance`; estimates (key, "rvq2_8",
          "nearest_voice").
        - `abx`: see `abx_errors`; `stability`: change to part to interval, estimates
          (key, "rvq1", "kept_shift_half") and so on, part "all" not among them;
          `speed`: see there.

    Raises:
        ValueError: An unknown name is wanted.
    """
    unknown = sorted(set(wanted) - set(FIGURES))
    if unknown:
        raise ValueError(
            f"unknown figure {unknown[0]!r}; expected {', '.join(FIGURES)}"
        )
    scores = CodeScores()

    def given(value: Any, name: str) -> Any:
        if value is None:
            raise NotScored(f"needs {name}")
        return value

    work = {
        "usage": lambda: _usage(scores, coded, key, seed),
        "phones": lambda: _phones(
            scores, coded, key, given(phones, "phone times"), seed
        ),
        "unit_lm": lambda: _unit_lm(scores, coded, key, train, seed),
        "voices": lambda: _voices(
            scores,
            coded,
            key,
            given(codebooks, "the codebooks' vectors"),
            given(speakers, "speakers"),
            seed,
        ),
        "abx": lambda: abx_errors(
            coded,
            given(phones, "phone times"),
            given(speakers, "speakers"),
            codebooks,
            seed,
        ),
        "stability": lambda: _stability(
            scores, key, given(tokenizer, "a tokenizer"), given(speech, "speech"), seed
        ),
        "speed": lambda: speed(
            given(tokenizer, "a tokenizer"), given(speech, "speech")
        ),
    }
    for name in FIGURES:
        if name not in wanted:
            continue
        try:
            scores.figures[name] = work[name]()
        except (NotScored, ValueError) as reason:
            logging.info("%s of %s not scored: %s", name, key, reason)
            scores.missing[name] = str(reason)
    return scores


def part_of(layer: int) -> str:
    """Name a layer, counted from 0, as estimates do: "rvq1" of 0."""
    return layer_part(layer_span(layer + 1, layer + 1))


def _usage(scores: CodeScores, coded: CodedSet, key: str, seed: int) -> dict[str, Any]:
    counts = [layer_counts(coded, layer) for layer in range(coded.n_q)]
    terms = {
        (key, part_of(layer), "entropy"): entropy_terms(coded, layer, counts[layer])
        for layer in range(coded.n_q)
    }
    found = shares(terms, seed)
    scores.estimates.update(found)
    layers = [layer_usage(one) for one in counts]
    entropies = [one["entropy"] for one in layers]
    for line, estimate in zip(layers, found.values()):
        line["entropy"] = interval_json(estimate)
    return {"layers": layers, **token_rates(coded, entropies)}


def _phones(
    scores: CodeScores,
    coded: CodedSet,
    key: str,
    phones: Mapping[str, Sequence[TimedPhone]],
    seed: int,
) -> dict[str, Any]:
    n_frames = {utterance: line.shape[1] for utterance, line in coded.codes.items()}
    labels = FrameLabels.of(n_frames, phones, coded.frame_rate)
    terms: dict[tuple[str, str, str], dict[str, tuple[float, float]]] = {}
    layers: list[dict[str, Any]] = []
    counts: list[CodePhoneCounts] = []
    for layer, size in enumerate(coded.codebook_sizes):
        codes = coded.layer(layer)
        counts.append(CodePhoneCounts.count_labels(codes, labels, size))
        layers.append(counts[-1].summary())
        for figure, values in phone_terms(codes, labels, counts[-1]).items():
            terms[key, part_of(layer), figure] = values
    scores.counts = counts
    found = shares(terms, seed)
    scores.estimates.update(found)
    for layer, line in enumerate(layers):
        for figure in ("pnmi", "phone_purity", "cluster_purity"):
            line[figure] = interval_json(found[key, part_of(layer), figure])
    return {"utterances": len(labels.rows), "layers": layers}


def _unit_lm(
    scores: CodeScores, coded: CodedSet, key: str, train: CodedSet | None, seed: int
) -> dict[str, Any]:
    if train is not None and train.codebook_sizes[0] != coded.codebook_sizes[0]:
        raise ValueError(
            f"the training set's codebook has {train.codebook_sizes[0]} entries, the "
            f"test set's {coded.codebook_sizes[0]}; expected one codebook"
        )
    first = None if train is None else train.layer(0)
    by_order = unit_lm_terms(coded.layer(0), first, coded.codebook_sizes[0], seed=seed)
    names = [f"order {order + 1}" for order in range(len(by_order))]
    bits = shares(dict(zip(names, by_order)), seed)
    last = bits[names[-1]]
    found = {
        "perplexity": Estimate(2.0**last.value, 2.0**last.draws),
        "bits_per_second": Estimate(
            last.value * coded.frame_rate, last.draws * coded.frame_rate
        ),
    }
    for figure, estimate in found.items():
        scores.estimates[key, part_of(0), f"unit_lm_{figure}"] = estimate
    return {
        "order": len(by_order),
        "trained_on": len(coded.codes if train is None else train.codes),
        "cross_validated": train is None,
        "bits_per_code": interval_json(last),
        "perplexity_by_order": [2.0 ** bits[name].value for name in names],
        **{figure: interval_json(estimate) for figure, estimate in found.items()},
    }


def _voices(
    scores: CodeScores,
    coded: CodedSet,
    key: str,
    codebooks: Sequence[np.ndarray],
    speakers: Mapping[str, str],
    seed: int,
) -> dict[str, Any]:
    found = layer_voices(coded, codebooks, speakers, seed)
    for part, voices in found.items():
        scores.estimates[key, part, "nearest_voice"] = voices.accuracy
    return {
        part: {
            "accuracy": interval_json(voices.accuracy),
            "chance": voices.chance,
            "speakers": voices.speakers,
            "utterances": voices.utterances,
        }
        for part, voices in found.items()
    }


def _stability(
    scores: CodeScores,
    key: str,
    tokenizer: Tokenizer,
    speech: Mapping[str, np.ndarray],
    seed: int,
) -> dict[str, Any]:
    found = stability(tokenizer, speech, seed)
    for change, parts in found.items():
        for part, estimate in parts.items():
            if part != "all":
                scores.estimates[key, part, f"kept_{change}"] = estimate
    return {
        change: {part: interval_json(estimate) for part, estimate in parts.items()}
        for change, parts in found.items()
    }
