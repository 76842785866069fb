"""Lays out the report of a recipe: which tables, figures and players, and where."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

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
from espnet_st.slmtokbench.systems import System
from espnet_st.slmtokbench.teachers import teacher_of
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts
from espnet_st.slmtokbench.tokens.scores import Tokens

Pictures = list[tuple[str, Path]]


def make_sections(
    recipe: Recipe,
    config: BenchmarkConfig,
    tokenizers: Sequence[Tokens],
    speech: SpeechScores,
    tables: Mapping[str, Table],
    counts: Mapping[str, CodePhoneCounts],
    images: Path,
) -> list[Section]:
    """Draw the figures and lay out the report.

    Args:
        recipe: What was scored.
        config: How.
        tokenizers: The systems' tokens.
        speech: Its conditions are played and drawn.
        tables: Of `paper_tables`.
        counts: Codes and phones by title.
        images: Where PNGs go.
    """
    conditions = speech.conditions
    spectrograms: Pictures = []
    phones: Pictures = []
    if draw_spectrograms(conditions, config, images / "spectrograms.png"):
        spectrograms.append(("Mel spectrograms", images / "spectrograms.png"))
    if counts:
        plot_phones_given_codes(counts, images / "phones.png")
        phones.append(("p(phone | code)", images / "phones.png"))
    sections = [
        Section(
            "Resynthesis",
            "Speech made again from the first layer of codes, and from all of them.",
            tables=[tables["reconstruction"], tables["benchmark"]],
            figures=spectrograms,
            cards=player_cards(
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
                tables=[tables["zeroshot"]],
                cards=player_cards(conditions, "tts", beside, config),
            )
        )
    if "conversion" in tables:
        beside = {"Source": "source", "Reference": "reference"}
        sections.append(
            Section(
                "One-shot voice conversion",
                "Layer 1 of the source with further layers of the reference.",
                tables=[tables["conversion"]],
                figures=_voices(tokenizers, recipe, config, images),
                cards=player_cards(conditions, "conversion", beside, config),
            )
        )
    if "codebook" in tables:
        sections.append(
            Section(
                "Codes and phones",
                tables=[
                    tables["codebook"],
                    *(tables[n] for n in tables if "code_" in n),
                ],
                figures=phones,
            )
        )
    curves = draw_curves(_experiments(recipe.systems), images)
    sections.append(Section("Training", figures=curves))
    return sections


def _voices(
    tokenizers: Sequence[Tokens], recipe: Recipe, config: BenchmarkConfig, images: Path
) -> Pictures:
    """Draw the voices in the codes of each system with which voices are converted."""
    pictures = []
    for tokens in tokenizers:
        system = tokens.system
        path = images / f"voices_{system.key}.png"
        if not system.conversion:
            continue
        try:
            draw_voices(
                tokens, recipe.test_set, recipe.test_dir / "utt2spk", config, path
            )
        except ValueError as reason:
            logging.warning("no picture of voices of %s: %s", system.label, reason)
            continue
        pictures.append((f"Voices in the layers of {system.label} (t-SNE)", path))
    return pictures


def _experiments(systems: Sequence[System]) -> dict[str, tuple[str, Path]]:
    """List what was trained: title to kind and directory; a teacher once."""
    teachers, models = {}, {}
    for system in systems:
        name, directory = teacher_of(system)
        if directory is not None:
            teachers[directory] = f"the teacher {directory.name}"
        models[f"the codec of {system.label}"] = ("codec", system.codec_exp)
        if system.lm is not None:
            title = f"{system.lm.label} on {system.label}"
            models[title] = ("uslm", system.lm.exp)
    first = {title: ("teacher", directory) for directory, title in teachers.items()}
    return first | models
