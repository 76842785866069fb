"""Chooses what the report shows: figures 4 to 6, training curves, players."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.conditions import Condition, read_sources
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.report.curves import Curves, read_curves
from espnet_st.slmtokbench.report.page import Card, Picture
from espnet_st.slmtokbench.report.plots import (
    plot_curves,
    plot_spectrograms,
    plot_voices,
)
from espnet_st.slmtokbench.scorers.base import read_speech
from espnet_st.slmtokbench.systems import layer_span, layer_title
from espnet_st.slmtokbench.tokens.scores import Tokens
from espnet_st.slmtokbench.tokens.voices import nearest_voice

CURVES = {
    "codec": (
        "generator_loss",
        "mel_loss",
        "distill_agreement",
        "perplexity_rvq1",
        "dead_codes_rvq1",
        "discriminator_loss",
    ),
    "uslm": (
        *("loss", "loss_ar", "loss_nar", "acc_ar", "acc_ar_top10", "acc_nar"),
        r"acc_nar_\d+",
    ),
    "teacher": ("loss", "per"),
}
"""Kind of experiment to patterns of the figures that are drawn, in order."""


def shown_utterances(
    conditions: Iterable[Condition], kind: str, count: int, seed: int
) -> list[str]:
    """Choose utterances that every made condition of a kind has, by a seed."""
    shared: set[str] | None = None
    for condition in conditions:
        if condition.kind == kind and condition.wav_scp.is_file():
            keys = set(read_sources(condition.wav_scp))
            shared = keys if shared is None else shared & keys
    candidates = sorted(shared or ())
    count = min(count, len(candidates))
    return sorted(random.Random(seed).sample(candidates, count))


def player_label(condition: Condition) -> str:
    """Name a condition above its players."""
    if condition.kind == "conversion":
        return f"{condition.model} RVQ-1 + {condition.tokens}"
    return f"{condition.model} {condition.tokens}".strip()


def player_cards(
    conditions: Sequence[Condition],
    kind: str,
    beside: Mapping[str, str],
    config: BenchmarkConfig,
) -> list[Card]:
    """Make cards with the players of all conditions of a kind.

    Args:
        conditions: Of the benchmark.
        kind: Whose conditions are played.
        beside: Label to key of the condition that is played first, e.g. the original.
        config: How many, and the seed.
    """
    by_key = {condition.key: condition for condition in conditions}
    played = {label: by_key[key] for label, key in beside.items() if key in by_key}
    played |= {player_label(c): c for c in conditions if c.kind == kind}
    wavs = {
        label: read_sources(condition.wav_scp)
        for label, condition in played.items()
        if condition.wav_scp.is_file()
    }
    texts = next((c.text for c in conditions if c.kind == kind), None)
    table = read_table(texts) if texts is not None and texts.is_file() else {}
    cards = []
    for key in shown_utterances(conditions, kind, config.players, config.seed):
        players = {label: scp[key] for label, scp in wavs.items() if key in scp}
        cards.append(Card(table.get(key, ""), key, players))
    return cards


def draw_spectrograms(
    conditions: Sequence[Condition], config: BenchmarkConfig, path: Path
) -> list[str]:
    """Draw the conditions' spectrograms of one utterance.

    Returns:
        Titles of the panels; none if there is no resynthesis.
    """
    keys = shown_utterances(conditions, "resynthesis", 1, config.seed)
    if not keys:
        return []
    files = {}
    for condition in conditions:
        if (
            condition.kind in ("original", "resynthesis")
            and condition.wav_scp.is_file()
        ):
            scp = read_sources(condition.wav_scp)
            if keys[0] in scp:
                files[player_label(condition)] = scp[keys[0]]
    # All on the scale of the first, the original.
    sample_rate = soundfile.info(next(iter(files.values()))).samplerate
    wavs = {title: read_speech(file, sample_rate) for title, file in files.items()}
    plot_spectrograms(wavs, sample_rate, path)
    return list(wavs)


def draw_voices(
    tokens: Tokens, test_set: str, utt2spk: Path, config: BenchmarkConfig, path: Path
) -> None:
    """Draw figure 4: do the first layer and the rest know the speaker?

    Args:
        tokens: Of a system.
        test_set: Whose codes are drawn.
        utt2spk: Its speakers.
        config: How many speakers and utterances, and the seed.
        path: Of the PNG.

    Raises:
        ValueError: Codes are missing, or too few for a picture.
    """
    reader = CodesReader(tokens.system.codes_dir / test_set / "codes.scp")
    speakers = read_table(utt2spk)
    groups: dict[str, list[str]] = {}
    for key in sorted(set(reader) & set(speakers)):
        groups.setdefault(speakers[key], []).append(key)
    choice = random.Random(config.seed)
    names = sorted(groups)
    names = sorted(choice.sample(names, min(config.tsne_speakers, len(names))))
    pooled: dict[str, list[np.ndarray]] = {}
    labels, keys = [], []
    for name in names:
        count = min(config.tsne_utterances, len(groups[name]))
        for key in choice.sample(groups[name], count):
            vectors = tokens.vectors(reader[key]).mean(dim=1)
            parts = {"RVQ-1": vectors[0]}
            if len(vectors) > 1:
                rest = layer_title(layer_span(2, len(vectors)))
                parts[rest] = vectors[1:].sum(0)
            for title, vector in parts.items():
                pooled.setdefault(title, []).append(vector.numpy())
            labels.append(name)
            keys.append(key)
    arrays = {}
    for title, rows in pooled.items():
        points = np.stack(rows)
        voices = nearest_voice(points, labels, keys, config.seed)
        arrays[voices.title(title)] = points
    plot_voices(arrays, labels, config.seed, path)


def chosen_curves(curves: Curves, patterns: Iterable[str]) -> list[str]:
    """List the logged figures that match patterns, in the patterns' order."""
    logged = {name for series in curves.values() for name in series}

    def by_number(name: str) -> tuple[int, str]:
        digits = name[len(name.rstrip("0123456789")) :]
        return int(digits or 0), name

    return [
        name
        for pattern in patterns
        for name in sorted(logged, key=by_number)
        if re.fullmatch(pattern, name)
    ]


def draw_curves(
    experiments: Mapping[str, tuple[str, Path]], images: Path
) -> list[Picture]:
    """Draw training curves of each experiment that logged any.

    Args:
        experiments: Title to kind (a key of `CURVES`) and directory.
        images: Where the PNGs go.

    """
    drawn = []
    for title, (kind, exp) in experiments.items():
        path = images / f"curves_{exp.name}.png"
        unit = "step" if kind == "teacher" else "epoch"
        curves = read_curves(exp)
        names = chosen_curves(curves, CURVES[kind])
        if panels := plot_curves(curves, names, f"{title}, by {unit}", path):
            alt = f"Curves by {unit} of {', '.join(panels)}."
            drawn.append(Picture(f"Training of {title}", path, alt))
    return drawn
