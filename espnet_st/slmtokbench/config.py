"""What is scored, how much of it, and with which sizes: `conf/slmtokbench.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from espnet_st.slmtokbench.tokens.downstream import TrainingOptions

CHOICES = {
    "downstream_init": ("codebooks", "random"),
    "language_model": ("corpus", "general"),
}


@dataclass(frozen=True)
class BenchmarkConfig:
    """All settings; the defaults are the paper's where it has them.

    Attributes:
        seed: of samples, of the downstream model, of bootstrap and t-SNE.
        max_utterances: sample of each condition that is scored.
        recognizers: of pocketsphinx, whisper; the first that runs fills the tables.
        language_model: of pocketsphinx: "corpus", made by stage 1, or "general", its
            own of English.
        whisper_model: directory or hub name.
        speaker_encoders: of resemblyzer, wavlm; the first that runs fills the tables.
        wavlm_model: directory or hub name.
        quality: of stoi, pesq, visqol.
        quality_utterances: sample of each condition for those.
        downstream_steps, downstream_batch_size, downstream_lr, downstream_decay,
            downstream_hidden, downstream_layers, downstream_stack: see
            `TrainingOptions`.
        downstream_init: "codebooks" or "random" embeddings.
        mi_utterances: utterances of the validation set in the mutual information.
        players: utterances per condition that can be heard in the report.
        tsne_speakers, tsne_utterances: voices, and utterances of each, in figure 4.
    """

    seed: int = 0
    max_utterances: int = 300
    recognizers: tuple = ("whisper",)
    language_model: str = "corpus"
    whisper_model: str = "openai/whisper-medium.en"
    speaker_encoders: tuple = ("wavlm",)
    wavlm_model: str = "microsoft/wavlm-base-plus-sv"
    quality: tuple = ("visqol",)
    quality_utterances: int = 300
    downstream_steps: int = 200_000
    downstream_batch_size: int = 32
    downstream_lr: float = 1e-4
    downstream_decay: bool = False
    downstream_hidden: int = 1024
    downstream_layers: int = 2
    downstream_stack: int = 1
    downstream_init: str = "codebooks"
    mi_utterances: int = 300
    players: int = 3
    tsne_speakers: int = 5
    tsne_utterances: int = 10

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name}: {getattr(self, name)!r}, expected {' or '.join(known)}."
                )

    def training_options(self) -> TrainingOptions:
        """The `downstream_*` settings as the trainer takes them."""
        names = {field.name for field in fields(TrainingOptions)} - {"seed"}
        given = {name: getattr(self, f"downstream_{name}") for name in names}
        return TrainingOptions(seed=self.seed, **given)


def override(config: BenchmarkConfig, values: Mapping[str, Any]) -> BenchmarkConfig:
    """Replace what `values` names.

    Raises:
        ValueError: an unknown key, or a value of another type than the default's.
    """
    kinds = {field.name: type(field.default) for field in fields(BenchmarkConfig)}
    checked = {}
    for name, value in values.items():
        if name not in kinds:
            raise ValueError(
                f"Unknown setting {name!r}, expected one of {', '.join(sorted(kinds))}."
            )
        if kinds[name] is tuple and isinstance(value, (list, tuple)):
            value = tuple(value)
        elif kinds[name] is float and isinstance(value, int):
            value = float(value)
        elif kinds[name] is float and isinstance(value, str):
            value = _float(name, value)
        if type(value) is not kinds[name]:
            raise ValueError(
                f"{name}: got {value!r}, expected {kinds[name].__name__} such as "
                f"{getattr(config, name)!r}."
            )
        checked[name] = value
    return replace(config, **checked)


def _float(name: str, value: str) -> float:
    """YAML reads 1e-4 as a string; so does a command line."""
    try:
        return float(value)
    except ValueError as error:
        raise ValueError(f"{name}: got {value!r}, expected a number.") from error


def load_config(path: str | Path) -> BenchmarkConfig:
    """Read a YAML file over the defaults.

    Raises:
        ValueError: the file is missing, is not a mapping, or see `override`.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"No such configuration: {path}.")
    values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected 'name: value' lines.")
    try:
        return override(BenchmarkConfig(), values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
