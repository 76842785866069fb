"""Lays out the report of a recipe: which tables, figures and players, and where."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.report.figures import (
    draw_curves,
    draw_spectrograms,
    draw_voices,
    player_cards,
)
from espnet_st.slmtokbench.report.page import Section
from espnet_st.slmtokbench.report.plots import plot_phones_given_codes
from espnet_st.slmtokbench.report.tables import Table
from espnet_st.slmtokbench.speech_scores import SpeechScores
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts


def make_sections(
    recipe: Recipe,
    config: BenchmarkConfig,
    quantized: Callable[[torch.Tensor], torch.Tensor],
    speech: SpeechScores,
    tables: Mapping[str, Table],
    counts: Mapping[str, CodePhoneCounts],
    images: Path,
    teacher: Path | None = None,
) -> list[Section]:
    """Draw the figures and lay out the report.

    Args:
        recipe: what was scored.
        config: how.
        quantized: codes (n_q, T) of the codec to vectors (n_q, T, D).
        speech: its conditions are heard and seen.
        tables: of `paper_tables`.
        counts: codes and phones by title.
        images: where PNGs go.
        teacher: directory of the codec's teacher, for its training curve.
    """
    conditions = speech.conditions
    spectrograms, voices, phones = [], [], []
    if draw_spectrograms(conditions, config, images / "spectrograms.png"):
        spectrograms.append(("Mel spectrograms", images / "spectrograms.png"))
    try:
        draw_voices(
            quantized,
            recipe.codes_dir / recipe.test_set / "codes.scp",
            recipe.test_dir / "utt2spk",
            config,
            images / "voices.png",
        )
        voices.append(("Voices in the layers (t-SNE)", images / "voices.png"))
    except ValueError as reason:
        logging.warning("no picture of voices: %s", reason)
    if counts:
        plot_phones_given_codes(counts, images / "phones.png")
        phones.append(("p(phone | code)", images / "phones.png"))
    experiments = {}
    if teacher is not None:
        experiments["the teacher"] = ("teacher", teacher)
    experiments["the codec"] = ("codec", recipe.codec_exp)
    if recipe.baseline_exp is not None:
        experiments["the baseline"] = ("codec", recipe.baseline_exp)
    if recipe.uslm_exp is not None:
        experiments["USLM"] = ("uslm", recipe.uslm_exp)
    if recipe.valle_exp is not None:
        experiments["VALL-E"] = ("uslm", recipe.valle_exp)

    sections = [
        Section(
            "Resynthesis",
            "Speech made again from the first layer of codes, and from all of them.",
            [tables["reconstruction"], tables["benchmark"]],
            spectrograms,
            player_cards(
                conditions, "resynthesis", {"Groundtruth": "groundtruth"}, config
            ),
        )
    ]
    if "zeroshot" in tables:
        beside = {"Prompt": "prompt", "Groundtruth": "groundtruth"}
        sections.append(
            Section(
                "Zero-shot text-to-speech",
                "The text in the voice of the prompt, a voice never heard in training.",
                [tables["zeroshot"]],
                cards=player_cards(conditions, "tts", beside, config),
            )
        )
    if "conversion" in tables:
        beside = {"Source": "source", "Reference": "reference"}
        sections.append(
            Section(
                "One-shot voice conversion",
                "Layer 1 of the source with further layers of the reference.",
                [tables["conversion"]],
                voices,
                player_cards(conditions, "conversion", beside, config),
            )
        )
    if "codebook" in tables:
        sections.append(Section("Codes and phones", "", [tables["codebook"]], phones))
    sections.append(Section("Training", figures=draw_curves(experiments, images)))
    return sections
