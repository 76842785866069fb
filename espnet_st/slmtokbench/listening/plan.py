"""What a listening test lets one hear: systems, items, references and prompts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.conditions import list_conditions, read_sources
from espnet_st.slmtokbench.listening.kinds import (
    GROUNDTRUTH,
    MOS,
    MUSHRA,
    SMOS,
    Kind,
)
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.samples import sample_keys


@dataclass(frozen=True)
class Materials:
    """Name the files of which a test can be made.

    Attributes:
        systems: Label to the `wav.scp` of what it made.
        reference: `wav.scp` of the recordings, of the same utterances; rated like a
            system, and in MUSHRA heard openly as well.
        prompts: `wav.scp` of a recording of the voice for each utterance.
        text: What is said; shown to the raters.
    """

    systems: dict[str, Path] = field(default_factory=dict)
    reference: Path | None = None
    prompts: Path | None = None
    text: Path | None = None


@dataclass(frozen=True)
class Plan:
    """Hold what one test lets one hear.

    Attributes:
        kind: Of the test.
        items: Utterance ids.
        systems: Label to a source of audio for each item.
        references, prompts: Item to a source; empty where the kind needs none.
        texts: Item to what is said; empty if unknown.
        volume: A recording by which raters set the volume.
    """

    kind: Kind
    items: tuple[str, ...]
    systems: dict[str, dict[str, Path]]
    references: dict[str, Path]
    prompts: dict[str, Path]
    texts: dict[str, str]
    volume: Path


def read_materials(path: str | Path) -> Materials:
    """Read the materials of any experiment from YAML.

    The file holds `systems`, a mapping of labels to `wav.scp`, and maybe the names of
    tables `reference`, `prompts` and `text`::

        systems:
          EnCodec: exp/codec_encodec/decode_rvq1_8/test/wav.scp
          Mine: mine/wav.scp
        reference: dump/raw/test/wav.scp

    Raises:
        ValueError: If the file is missing or of another form.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no {path}; expected YAML with systems and their wav.scp")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: expected 'systems:' and 'reference:'")
    names = ("reference", "prompts", "text")
    if unknown := sorted(set(map(str, content)) - {"systems", *names}):
        raise ValueError(
            f"{path}: unknown key {unknown[0]!r}, expected systems, {', '.join(names)}"
        )
    systems = content.get("systems")
    if not isinstance(systems, Mapping) or not systems:
        raise ValueError(f"{path}: systems: expected lines 'label: wav.scp'")
    tables = {name: content.get(name) for name in names}
    for name, value in [*systems.items(), *tables.items()]:
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{path}: {name}: {value!r}, expected a file's name")
    return Materials(
        {str(label): Path(_named(path, label, scp)) for label, scp in systems.items()},
        **{name: Path(value) for name, value in tables.items() if value is not None},
    )


def _named(path: Path, label: Any, scp: str | None) -> str:
    if not scp:
        raise ValueError(f"{path}: {label} has no wav.scp")
    return scp


def recipe_materials(recipe: Recipe, n_q: Mapping[str, int]) -> dict[str, Materials]:
    """Collect what stage 7 of a recipe made, for each kind of test.

    MUSHRA is of resynthesis from all layers, MOS and SMOS of zero-shot speech. What was
    not made is left out, and named in the log.

    Args:
        recipe: With the systems.
        n_q: Key of each system to the layers of its codes.
    """
    codecs, spoken = {}, {}
    for condition in list_conditions(recipe, n_q):
        if condition.kind == "resynthesis":
            codecs[condition.model] = condition.wav_scp  # the last is of all layers
        elif condition.kind == "tts":
            spoken[f"{condition.model}, {condition.tokens}"] = condition.wav_scp
    codecs, spoken = _made(codecs), _made(spoken)
    test, zeroshot = recipe.test_dir, recipe.test_dir / "zeroshot"
    prompts = zeroshot / "prompt_wav.scp"
    speech = Materials(spoken, zeroshot / "wav.scp", text=zeroshot / "text")
    return {
        MUSHRA.name: Materials(codecs, test / "wav.scp", text=test / "text"),
        MOS.name: speech,
        SMOS.name: Materials(spoken, speech.reference, prompts, speech.text),
    }


def _made(tables: Mapping[str, Path]) -> dict[str, Path]:
    """Keep the tables that are there, and log the others."""
    for label, scp in tables.items():
        if not scp.is_file():
            logging.warning("not in the listening tests: %s has no %s", label, scp)
    return {label: scp for label, scp in tables.items() if scp.is_file()}


def missing_material(kind: Kind, materials: Materials) -> str | None:
    """Say what a kind of test lacks; None if it can be made."""
    if not materials.systems:
        return f"{kind.title} has no system to rate"
    if kind.needs_reference and materials.reference is None:
        return f"{kind.title} needs reference: the wav.scp of the recordings"
    if kind.needs_prompt and materials.prompts is None:
        return f"{kind.title} needs prompts: the wav.scp of the voices"
    return None


def make_plan(kind: Kind, materials: Materials, count: int, seed: int) -> Plan:
    """Draw the items of a test, from the utterances that all tables have.

    Args:
        kind: Of the test.
        materials: What there is.
        count: Items at most.
        seed: Of the draw.

    Raises:
        ValueError: If something is missing, a label is taken, or the tables have no
            utterance in common.
    """
    if reason := missing_material(kind, materials):
        raise ValueError(reason)
    if count < 1:
        raise ValueError(f"{count} items; expected 1 at least")
    if GROUNDTRUTH in materials.systems:
        raise ValueError(f"a system's label is {GROUNDTRUTH!r}: choose another")
    systems = {label: read_sources(scp) for label, scp in materials.systems.items()}
    references = _sources(materials.reference)
    prompts = _sources(materials.prompts if kind.needs_prompt else None)
    if references:
        systems = {GROUNDTRUTH: references, **systems}
    tables = {**systems, **({"prompts": prompts} if prompts else {})}
    common = set.intersection(*(set(table) for table in tables.values()))
    if not common:
        sizes = ", ".join(f"{name} {len(table)}" for name, table in tables.items())
        raise ValueError(
            f"{kind.title}: no utterance is in all of the tables ({sizes}); expected "
            "the same keys in each"
        )
    if left_out := len(set.union(*(set(table) for table in tables.values())) - common):
        logging.info("%s: %d utterances are not in all tables", kind.title, left_out)
    items = tuple(sample_keys(common, count, seed))
    texts = read_table(materials.text) if materials.text is not None else {}
    heard = prompts or references or next(iter(systems.values()))
    others = sorted(set(heard) - set(items)) or list(items)
    return Plan(
        kind=kind,
        items=items,
        systems={
            label: {item: table[item] for item in items}
            for label, table in systems.items()
        },
        references={item: references[item] for item in items}
        if kind.needs_reference
        else {},
        prompts={item: prompts[item] for item in items} if prompts else {},
        texts={item: texts[item] for item in items if item in texts},
        volume=heard[others[0]],
    )


def _sources(scp: Path | None) -> dict[str, Path]:
    return {} if scp is None else read_sources(scp)
