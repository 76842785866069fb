"""What is scored, how much of it, and with which sizes: `conf/slmtokbench.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from espnet_st.slmtokbench.scorers.base import Setting
from espnet_st.slmtokbench.scorers.registry import (
    CONFIG_LISTS,
    all_settings,
    find_scorer,
)
from espnet_st.slmtokbench.scorers.scoring import TIMEOUT
from espnet_st.slmtokbench.tokens.downstream import TrainingOptions


def _scorer_defaults() -> dict[str, Any]:
    return {name: setting.default for name, setting in all_settings().items()}


@dataclass(frozen=True)
class BenchmarkConfig:
    """Hold all settings; the defaults are the paper's where it has them.

    Attributes:
        seed: Of samples, of the downstream model, of bootstrap and t-SNE.
        max_utterances: Sample of each condition that is scored.
        recognizers: Names of recognisers; the first that runs fills the tables.
        speaker_encoders: Names of speaker encoders; the first that runs fills the
            tables.
        quality: Names of scorers of quality.
        quality_utterances: Sample of each condition for those.
        scorer_timeout: Seconds that one utterance may take one scorer; it is then
            named as not scored.
        downstream_steps, downstream_batch_size, downstream_lr, downstream_decay,
            downstream_hidden, downstream_layers, downstream_stack: See
            `TrainingOptions`.
        downstream_init: "codebooks" or "random" embeddings.
        mi_utterances: Utterances of the validation set in the mutual information.
        players: Utterances per condition that can be heard in the report.
        code_figures: Figures of codes, of `tokens.code_scores.FIGURES`; "stability" and
            "speed" run the codec.
        tokenizer_utterances: Utterances of the test set for these two.
        tsne_speakers, tsne_utterances: Voices, and utterances of each, in figure 4.
        notes: What a reader of the results must know; printed with them.
        scorers: Values of the scorers' own settings, by name. In YAML and on the
            command line they stand beside the others.
    """

    seed: int = 0
    max_utterances: int = 300
    recognizers: tuple[str, ...] = ("whisper",)
    speaker_encoders: tuple[str, ...] = ("wavlm",)
    quality: tuple[str, ...] = ("visqol",)
    quality_utterances: int = 300
    scorer_timeout: float = TIMEOUT
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
    code_figures: tuple[str, ...] = ("usage", "phones", "unit_lm", "voices", "abx")
    tokenizer_utterances: int = 10
    tsne_speakers: int = 5
    tsne_utterances: int = 10
    notes: tuple[str, ...] = ()
    scorers: Mapping[str, Any] = field(default_factory=_scorer_defaults)

    def training_options(self) -> TrainingOptions:
        """Return the `downstream_*` settings as the trainer takes them."""
        names = {field.name for field in fields(TrainingOptions)} - {"seed"}
        values = {name: getattr(self, f"downstream_{name}") for name in names}
        return TrainingOptions(seed=self.seed, **values)

    def scorer_names(self, kind: str) -> tuple[str, ...]:
        """Return the scorers of a kind (see `Scorer`) that are to run."""
        return getattr(self, CONFIG_LISTS[kind])

    def as_yaml(self) -> str:
        """Write the settings as a configuration file has them."""
        values = asdict(self)
        values |= values.pop("scorers")
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        return yaml.safe_dump(plain, sort_keys=False)


def all_options() -> dict[str, Setting]:
    """Return what can be set, by name: the benchmark's settings and the scorers'."""
    own = {
        one.name: Setting(one.name, one.default)
        for one in fields(BenchmarkConfig)
        if one.name != "scorers"
    }
    own["downstream_init"] = replace(
        own["downstream_init"], choices=("codebooks", "random")
    )
    return own | all_settings()


def override(config: BenchmarkConfig, values: Mapping[str, Any]) -> BenchmarkConfig:
    """Replace what `values` names.

    Raises:
        ValueError: An unknown key, a value of another type than the default's, or an
            unknown scorer.
    """
    known, checked = all_options(), {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(
                f"Unknown setting {name!r}, expected one of {', '.join(sorted(known))}."
            )
        checked[name] = _checked(known[name], value)
    own = {f.name for f in fields(BenchmarkConfig)}
    scorers = {k: v for k, v in checked.items() if k not in own}
    chosen = {k: v for k, v in checked.items() if k in own}
    config = replace(config, **chosen, scorers={**config.scorers, **scorers})
    for kind in CONFIG_LISTS:
        for name in config.scorer_names(kind):
            find_scorer(name, kind)
    return config


def _checked(setting: Setting, value: Any) -> Any:
    """Bring a value to the type of a setting's default, or refuse it."""
    kind = type(setting.default)
    if kind is tuple and isinstance(value, (list, tuple)):
        value = tuple(value)
    elif kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    elif kind is float and isinstance(value, str):
        value = _float(setting.name, value)
    if type(value) is not kind:
        raise ValueError(
            f"{setting.name}: got {value!r}, expected {kind.__name__} such as "
            f"{setting.default!r}."
        )
    if setting.choices and value not in setting.choices:
        raise ValueError(
            f"{setting.name}: {value!r}, expected {' or '.join(setting.choices)}."
        )
    return value


def _float(name: str, value: str) -> float:
    """Read a number: YAML takes 1e-4 for a string, and so does a command line."""
    try:
        return float(value)
    except ValueError as error:
        raise ValueError(f"{name}: got {value!r}, expected a number.") from error


def load_config(path: str | Path) -> BenchmarkConfig:
    """Read a YAML file over the defaults.

    Raises:
        ValueError: The file is missing, is not a mapping, or see `override`.
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
