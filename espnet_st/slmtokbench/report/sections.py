"""Lays out the report of a recipe: which tables, figures and players, and where."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from espnet_st.slmtokbench.conditions import Condition, list_conditions
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.report.figures import (
    draw_curves,
    draw_spectrograms,
    draw_voices,
    player_cards,
)
from espnet_st.slmtokbench.report.page import Picture, Section
from espnet_st.slmtokbench.report.plots import plot_phones_given_codes
from espnet_st.slmtokbench.report.tables import Table
from espnet_st.slmtokbench.speech_scores import SpeechScores
from espnet_st.slmtokbench.systems import System, layer_span, layer_title
from espnet_st.slmtokbench.teachers import teacher_of
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts
from espnet_st.slmtokbench.tokens.scores import Tokens


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
    n_q = {tokens.system.key: tokens.n_q for tokens in tokenizers}
    spectrograms = spectrogram_pictures(conditions, config, images, "Figure 6")
    phones: list[Picture] = []
    if counts:
        plot_phones_given_codes(counts, images / "phones.png")
        phones.append(
            Picture(
                "Figure 5. p(phone | code), codes sorted by their commonest phone",
                images / "phones.png",
                f"A panel for each of {', '.join(counts)}: a sharp diagonal means that "
                "a code stands for one phone.",
            )
        )
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
    sections += language_sections(recipe, config, n_q, images)
    curves = draw_curves(_experiments(recipe.systems), images)
    sections.append(Section("Training", figures=curves))
    return sections


def language_sections(
    recipe: Recipe, config: BenchmarkConfig, n_q: Mapping[str, int], images: Path
) -> list[Section]:
    """Show the sets of languages that no system heard in training, as figure 7 does.

    Args:
        recipe: With the names of `other_sets`.
        config: How many players, and the seed.
        n_q: Key of each system to the layers of its codes.
        images: Where PNGs go.

    Returns:
        A section for each set of which some speech was made again.
    """
    sections = []
    for name in recipe.other_sets:
        other = replace(recipe, test_set=name)
        conditions = [
            one
            for one in list_conditions(other, n_q)
            if one.kind in ("original", "resynthesis")
        ]
        beside = {"Groundtruth": "groundtruth"}
        cards = player_cards(conditions, "resynthesis", beside, config)
        if not cards:
            logging.warning("nothing of %s was made again; stage 7 makes it", name)
            continue
        pictures = spectrogram_pictures(
            conditions, config, images, "Figure 7", f"{name}_"
        )
        sections.append(
            Section(
                f"Unseen language: {name}",
                "Speech of a language that no system heard in training, made again.",
                figures=pictures,
                cards=cards,
            )
        )
    return sections


def spectrogram_pictures(
    conditions: Sequence[Condition],
    config: BenchmarkConfig,
    images: Path,
    title: str,
    prefix: str = "",
) -> list[Picture]:
    """Draw spectrograms of one utterance: of the first layers, and of all layers.

    Args:
        conditions: The original, and resyntheses of all systems.
        config: With the seed that chooses the utterance.
        images: Where PNGs go.
        title: How captions begin.
        prefix: How the PNGs' names begin.
    """
    first = layer_title(layer_span(1, 1))
    kinds = {
        "first": (
            "the first layer",
            [c for c in conditions if c.tokens in ("", first)],
        ),
        "all": ("all layers", [c for c in conditions if c.tokens != first]),
    }
    pictures = []
    for name, (layers, shown) in kinds.items():
        path = images / f"{prefix}spectrograms_{name}.png"
        drawn = draw_spectrograms(shown, config, path)
        if drawn:
            pictures.append(
                Picture(
                    f"{title}. Mel spectrograms of speech from {layers}",
                    path,
                    f"Mel spectrograms, one below the other: {', '.join(drawn)}. "
                    "Horizontal stripes are harmonics of the voice.",
                )
            )
    return pictures


def _voices(
    tokenizers: Sequence[Tokens], recipe: Recipe, config: BenchmarkConfig, images: Path
) -> list[Picture]:
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
        pictures.append(
            Picture(
                f"Figure 4. Voices in the layers of {system.label} (t-SNE)",
                path,
                f"Utterances of {system.label} as points, a colour for each speaker: "
                "clusters of a colour mean that those layers know the speaker.",
            )
        )
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
