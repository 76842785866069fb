"""The three parts of the benchmark of anybody's tokens: text, speech, codes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_st.data.audio import load_audio
from espnet_st.data.kaldi import write_table
from espnet_st.slmtokbench.adapter_runs import (
    adapter_tokenizer,
    has_decoder,
    resynthesize_codes,
)
from espnet_st.slmtokbench.cache import ScoreCache, fingerprint
from espnet_st.slmtokbench.conditions import Condition
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.samples import sample_keys
from espnet_st.slmtokbench.speech_figures import SpeechFigures
from espnet_st.slmtokbench.speech_scores import SpeechScores, score_conditions
from espnet_st.slmtokbench.systems import (
    layer_part,
    layer_span,
    layer_title,
    resynthesis_spans,
)
from espnet_st.slmtokbench.token_inputs import Tokens
from espnet_st.slmtokbench.token_sets import TokenSet, write_set
from espnet_st.slmtokbench.tokens.alignment import (
    AlignmentTask,
    align,
    read_alignment,
)
from espnet_st.slmtokbench.tokens.alignment_scores import (
    alignment_file,
    checkpoint_file,
)
from espnet_st.slmtokbench.tokens.code_scores import CodeScores, score_codes
from espnet_st.slmtokbench.tokens.coded_set import CodedSet
from espnet_st.slmtokbench.tokens.downstream import random_codebooks
from espnet_st.slmtokbench.tokens.downstream_training import Checkpoint

KEY = "tokens"
"""Of the system, in the names of estimates and conditions."""


@dataclass
class Parts:
    """Hold what was measured.

    Attributes:
        alignment: "rvq1" and so on to figures, see `alignment.align`.
        speech: None if there is no resynthesis.
        figures: Condition key to figures, see `SpeechFigures`.
        codes: Figures of codes.
        not_scored: Part to what it needs, or why it failed.
        estimates: Figures with their draws.
    """

    codes: CodeScores
    alignment: dict[str, dict[str, Any]] = field(default_factory=dict)
    speech: SpeechScores | None = None
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_scored: dict[str, str] = field(default_factory=dict)
    estimates: dict[Any, Any] = field(default_factory=dict)


def measure(
    tokens: Tokens, config: BenchmarkConfig, output: Path, nj: int, device: str
) -> Parts:
    """Measure all that the input allows."""
    cache = ScoreCache(output / "cache")
    parts = Parts(codes=_codes(tokens, config))
    parts.estimates |= parts.codes.estimates
    parts.not_scored |= {
        name: needed(reason) for name, reason in parts.codes.missing.items()
    }
    _align(parts, tokens, config, output, cache, device)
    _speech(parts, tokens, config, output, cache, nj)
    return parts


def needed(reason: str) -> str:
    """Name the option that gives what a figure of codes lacks."""
    options = {
        "needs phone times": "needs --phones",
        "needs speakers": "needs --utt2spk",
        "needs the codebooks' vectors": "needs --embeddings",
        "needs a tokenizer": "needs --model",
    }
    return options.get(reason, reason)


def _coded(one: TokenSet, tokens: Tokens) -> CodedSet:
    return CodedSet.of(one.codes, tokens.sizes, tokens.frame_rate)


def _codes(tokens: Tokens, config: BenchmarkConfig) -> CodeScores:
    wanted = list(config.code_figures)
    tokenizer, speech = None, None
    if tokens.adapter is not None:
        wanted += [name for name in ("stability", "speed") if name not in wanted]
        tokenizer = adapter_tokenizer(tokens.adapter)
        keys = sample_keys(
            set(tokens.audio) & set(tokens.scored.codes),
            config.tokenizer_utterances,
            config.seed,
        )
        rate = tokens.adapter.sample_rate
        speech = {key: load_audio(tokens.audio[key], rate).numpy() for key in keys}
    train = tokens.train if tokens.own_train else None
    return score_codes(
        _coded(tokens.scored, tokens),
        key=KEY,
        phones=tokens.phones,
        speakers=tokens.speakers,
        train=None if train is None else _coded(train, tokens),
        codebooks=tokens.embeddings,
        tokenizer=tokenizer,
        speech=speech,
        wanted=wanted,
        seed=config.seed,
    )


def _digest(one: TokenSet) -> str:
    """Hash codes and texts, which may come from memory."""
    found = hashlib.sha256()
    for key in sorted(one.texts):
        found.update(f"{key}\t{one.texts[key]}\n".encode())
        found.update(np.ascontiguousarray(one.codes[key], np.int64).tobytes())
    return found.hexdigest()


def initial_codebooks(
    tokens: Tokens, n_layers: int, config: BenchmarkConfig
) -> list[torch.Tensor]:
    """Give embeddings (size, D) of each layer for the downstream model."""
    if tokens.embeddings is None or config.downstream_init == "random":
        sizes = tokens.sizes[:n_layers]
        return random_codebooks(sizes, config.downstream_dim, config.seed)
    return [torch.from_numpy(book).float() for book in tokens.embeddings[:n_layers]]


def _align(
    parts: Parts,
    tokens: Tokens,
    config: BenchmarkConfig,
    output: Path,
    cache: ScoreCache,
    device: str,
) -> None:
    """Train the downstream model on the first and on all layers."""
    if tokens.unaligned:
        parts.not_scored["text alignment"] = tokens.unaligned
        return
    sets = {"train": tokens.train, "valid": tokens.valid, "test": tokens.test}
    directory = output / "work" / "sets"
    digests = {}
    for name, one in sets.items():
        assert one is not None
        digests[name] = _digest(one)
    stamps = directory / "digests"
    text = "\n".join(digests.values())
    if not stamps.is_file() or stamps.read_text() != text:
        for name, one in sets.items():
            assert one is not None
            write_set(directory / name, one)
        stamps.write_text(text)
    for span in resynthesis_spans(tokens.n_q):
        part, n_layers = layer_part(span), int(span.rpartition("-")[2])
        books = initial_codebooks(tokens, n_layers, config)
        options = config.training_options()
        sums = [hashlib.sha256(book.numpy().tobytes()).hexdigest() for book in books]
        stamp = fingerprint(
            sets=digests,
            options=asdict(options),
            books=sums,
            sizes=(
                config.mi_utterances,
                config.mi_pairs,
                config.downstream_test_utterances,
                n_layers,
            ),
        )
        figures = alignment_file(cache, part)
        scores = cache.get("alignment", part, stamp)
        if scores is None or not figures.is_file():
            checkpoint = checkpoint_file(cache, part)
            task = AlignmentTask(
                name=f"{tokens.name} {layer_title(span)}",
                directory=directory,
                texts=directory,
                train_set="train",
                valid_set="valid",
                test_set="test",
                n_layers=n_layers,
                codebooks=books,
                options=options,
                mi_utterances=config.mi_utterances,
                mi_pairs=config.mi_pairs,
                test_utterances=config.downstream_test_utterances,
                device=device,
                checkpoint=Checkpoint(checkpoint, stamp),
                figures=figures,
            )
            try:
                scores = align(task)
            except ValueError as error:
                parts.not_scored[f"text alignment of {layer_title(span)}"] = str(error)
                continue
            cache.put("alignment", part, stamp, scores)
            checkpoint.unlink(missing_ok=True)
        parts.alignment[part] = scores
        for figure, estimate in read_alignment(figures, config.seed).items():
            parts.estimates[KEY, part, figure] = estimate


def _speech(
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
