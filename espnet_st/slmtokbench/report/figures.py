"""Chooses what the report shows: figures 4 to 6, training curves, players."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from espnet_st.codes import CodesReader
from espnet_st.data.audio import load_audio
from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.conditions import Condition, read_sources
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.report.curves import read_curves
from espnet_st.slmtokbench.report.page import Card
from espnet_st.slmtokbench.report.plots import (
    plot_curves,
    plot_spectrograms,
    plot_voices,
)
from espnet_st.slmtokbench.scorers.base import SAMPLE_RATE

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
        *(f"acc_nar_{layer}" for layer in range(2, 9)),
    ),
    "teacher": ("loss", "per"),
}


def shown_utterances(
    conditions: list[Condition], kind: str, count: int, seed: int
) -> list[str]:
    """Utterances that every made condition of a kind has, a seeded choice."""
    shared: set[str] | None = None
    for condition in conditions:
        if condition.kind == kind and condition.wav_scp.is_file():
            keys = set(read_sources(condition.wav_scp))
            shared = keys if shared is None else shared & keys
    keys = sorted(shared or ())
    return sorted(random.Random(seed).sample(keys, min(count, len(keys))))


def player_cards(
    conditions: list[Condition],
    kind: str,
    beside: Mapping[str, str],
    config: BenchmarkConfig,
) -> list[Card]:
    """Cards with the players of all conditions of a kind.

    Args:
        conditions: of the benchmark.
        kind: whose conditions are heard.
        beside: label to key of the condition that is heard first, e.g. the original.
        config: how many, and the seed.
    """
    by_key = {condition.key: condition for condition in conditions}
    heard = {label: by_key[key] for label, key in beside.items() if key in by_key}
    for condition in conditions:
        if condition.kind == kind:
            label = f"{condition.model} {condition.tokens}"
            heard[label if kind != "conversion" else f"RVQ-1 + {condition.tokens}"] = (
                condition
            )
    wavs = {
        label: read_sources(condition.wav_scp)
        for label, condition in heard.items()
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
    conditions: list[Condition], config: BenchmarkConfig, path: Path
) -> bool:
    """Figure 6 for one utterance; False if there is no resynthesis."""
    keys = shown_utterances(conditions, "resynthesis", 1, config.seed)
    if not keys:
        return False
    wavs = {}
    for condition in conditions:
        if (
            condition.kind not in ("original", "resynthesis")
            or not condition.wav_scp.is_file()
        ):
            continue
        scp = read_sources(condition.wav_scp)
        if keys[0] in scp:
            title = f"{condition.model} {condition.tokens}".strip()
            wavs[title] = load_audio(scp[keys[0]], SAMPLE_RATE).numpy()
    plot_spectrograms(wavs, path)
    return True


def draw_voices(
    quantized: Callable[[torch.Tensor], torch.Tensor],
    codes_scp: Path,
    utt2spk: Path,
    config: BenchmarkConfig,
    path: Path,
) -> None:
    """Figure 4: do the first layer and the rest know the speaker?

    Args:
        quantized: codes (n_q, T) to vectors (n_q, T, D).
        codes_scp: codes of the test set.
        utt2spk: its speakers.
        config: how many speakers and utterances, and the seed.
        path: of the PNG.

    Raises:
        ValueError: codes are missing, or too few for a picture.
    """
    reader, speakers = CodesReader(codes_scp), read_table(utt2spk)
    groups: dict[str, list[str]] = {}
    for key in sorted(set(reader) & set(speakers)):
        groups.setdefault(speakers[key], []).append(key)
    choice = random.Random(config.seed)
    names = sorted(groups)
    names = sorted(choice.sample(names, min(config.tsne_speakers, len(names))))
    pooled: dict[str, list[np.ndarray]] = {}
    labels = []
    for name in names:
        count = min(config.tsne_utterances, len(groups[name]))
        for key in choice.sample(groups[name], count):
            vectors = quantized(reader[key]).mean(dim=1)
            parts = {"RVQ-1": vectors[0], f"RVQ-2:{len(vectors)}": vectors[1:].sum(0)}
            for title, vector in parts.items():
                pooled.setdefault(title, []).append(vector.numpy())
            labels.append(name)
    arrays = {title: np.stack(vectors) for title, vectors in pooled.items()}
    plot_voices(arrays, labels, config.seed, path)


def draw_curves(
    experiments: Mapping[str, tuple[str, Path]], images: Path
) -> list[tuple[str, Path]]:
    """Training curves of each experiment that logged any.

    Args:
        experiments: title to kind (a key of `CURVES`) and directory.
        images: where the PNGs go.

    Returns:
        Captions and PNGs.
    """
    drawn = []
    for title, (kind, exp) in experiments.items():
        path = images / f"curves_{exp.name}.png"
        unit = "step" if kind == "teacher" else "epoch"
        heading = f"{title}, by {unit}"
        if plot_curves(read_curves(exp), CURVES[kind], heading, path):
            drawn.append((f"Training of {title}", path))
    return drawn
