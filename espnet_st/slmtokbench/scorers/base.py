"""What every scorer of audio has in common: one item in, one value out, or a reason.

A scorer measures one utterance at a time and keeps no state between utterances, so
that a condition can be cut in chunks for several processes without changing a figure.
"""

from __future__ import annotations

import importlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch

from espnet_st.data.audio import SILENT, prepare_audio, read_audio

RECOGNIZER, SPEAKER, QUALITY = "recognizer", "speaker", "quality"
SCORERS: dict[str, type[Scorer]] = {}
"""Scorers by name; filled as their modules are imported, see `registry`."""

SAMPLE_RATE = 16000
"""Hz at which speech is scored, whatever it comes at."""


class NotScored(Exception):
    """Say why a scorer cannot run here. The message is what the tables show."""


@dataclass(frozen=True)
class Item:
    """Hold one utterance to measure.

    Attributes:
        utt_id: Key of the utterance.
        wav: File of the speech to judge.
        reference: File of the original speech, for scorers which compare the two.
        text: What was to be said, for recognisers.
    """

    utt_id: str
    wav: Path
    reference: Path | None = None
    text: str | None = None


@dataclass
class Measurements:
    """Hold all values of one scorer on one condition.

    Attributes:
        values: Utterance id to what the scorer measured.
        failed: Utterance id to why it has no value.
    """

    values: dict[str, Any]
    failed: dict[str, str]


@dataclass(frozen=True)
class Setting:
    """Describe a setting of the benchmark that belongs to a scorer.

    Attributes:
        name: Key in `conf/slmtokbench.yaml`.
        default: Its value where nothing is said; a value has this type.
        choices: All values that it may have, or () for any.
    """

    name: str
    default: Any
    choices: tuple[Any, ...] = ()


DEVICE = Setting("scorer_device", "cpu")
"""Where neural scorers run: "cpu", "cuda" or "cuda:1". Each process has its own."""


class Scorer(ABC):
    """Measure items one by one. A scorer says all about itself in its class.

    Attributes:
        name: As in the configuration, e.g. "pesq".
        kind: `RECOGNIZER`, `SPEAKER` or `QUALITY`.
        title: Head of its column, for scorers of quality.
        measures: What it measures, for the list of scorers; may hold settings in
            braces.
        sample_rate: Hz at which it hears.
        settings: What the configuration can set for it.
        reads_original, reads_text: Whether it reads these of an item.

    Args:
        settings: Values of its `settings`, and `corpus_lm`: the directory with the
            corpus's language model. Others are passed over.

    Raises:
        NotScored: A package or weights are missing.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    title: ClassVar[str] = ""
    measures: ClassVar[str]
    sample_rate: ClassVar[int] = 16000
    settings: ClassVar[tuple[Setting, ...]] = ()
    reads_original: ClassVar[bool] = False
    reads_text: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, settings: Mapping[str, Any]): ...

    @classmethod
    def depends_on(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a measurement depends on besides the item (JSON types)."""
        return {one.name: settings.get(one.name, one.default) for one in cls.settings}

    @abstractmethod
    def measure(self, item: Item) -> Any:
        """Return what is kept of the item (JSON types).

        Raises:
            ValueError: The item cannot be measured, with the reason.
        """

    def read(self, path: Path | None) -> np.ndarray:
        """Read speech of any rate as (N,) float32 at `sample_rate`.

        Raises:
            ValueError: There is no file, or it cannot be read as speech.
        """
        if path is None:
            raise ValueError("there is no original to compare with")
        return read_speech(path, self.sample_rate)


Registered = TypeVar("Registered", bound=type[Scorer])


def register(scorer: Registered) -> Registered:
    """Make a scorer known by its name (a class decorator)."""
    SCORERS[scorer.name] = scorer
    return scorer


def read_speech(path: Path, sample_rate: int) -> np.ndarray:
    """Read an audio file as mono (N,) float32 at a rate in Hz.

    Raises:
        ValueError: It cannot be read, or holds no usable samples.
    """
    return prepare_audio(*read_audio(str(path)), sample_rate).numpy()


def is_silent(wav: np.ndarray) -> bool:
    """Tell whether a signal (N,) stays below -80 dB of full scale."""
    return float(np.abs(wav).max(initial=0.0)) < SILENT


def require_voice(wav: np.ndarray) -> None:
    """Refuse a silent signal (N,).

    Raises:
        ValueError: It is silent.
    """
    if is_silent(wav):
        raise ValueError("the speech is silent")


def import_package(module: str, install: str) -> Any:
    """Import what a scorer needs.

    Args:
        module: Name of a module.
        install: What `pip install` takes for it.

    Raises:
        NotScored: It is not installed, with how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise NotScored(
            f"{package} is not installed ({error}): pip install {install}"
        ) from error


def find_device(settings: Mapping[str, Any]) -> torch.device:
    """Find the device that the settings name.

    Raises:
        NotScored: It is unknown, or not in this machine.
    """
    name = settings.get(DEVICE.name, DEVICE.default)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise NotScored(f"{DEVICE.name}: {name!r}, expected cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise NotScored(f"{DEVICE.name} is {name}, and this machine has no such GPU")
    return device


def load_local(setting: str, settings: Mapping[str, Any], *classes: str) -> list[Any]:
    """Load a pretrained model's parts through transformers, from this machine alone.

    Args:
        setting: Name of the setting that holds a directory, or a hub name whose
            weights are already here.
        settings: Of all scorers.
        classes: Names of classes of transformers.

    Raises:
        NotScored: Transformers or the weights are missing, with how to get them.
    """
    model = settings[setting]
    transformers = import_package("transformers", "transformers")
    try:
        return [
            getattr(transformers, name).from_pretrained(model, local_files_only=True)
            for name in classes
        ]
    except (OSError, ValueError) as error:
        logging.info("%s: %s", model, error)
        raise NotScored(
            f"the weights of {model} are not on this machine: fetch them with "
            f"`hf download {model}`, or name another model or a directory in {setting}"
        ) from None
