"""What each system was trained on, how long: from its experiments' own files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_st.checkpoints.loading import read_config
from espnet_st.slmtokbench.report.tables import NONE, Table
from espnet_st.slmtokbench.systems import System

UNKNOWN = "unknown"
_EPOCH = re.compile(
    r"(\d+)epoch results: \[train\] .*?, time=(.*?), "
    r"(?:gpu_max_cached_mem_GB=[\d.]+, )?total_count=(\d+)"
)
_UNITS = {"day": 1440.0, "hour": 60.0, "minute": 1.0, "second": 1 / 60}
_TIME = re.compile(rf"([\d.]+) ({'|'.join(_UNITS)})")


@dataclass(frozen=True)
class Budget:
    """Hold what a model was trained with.

    Attributes:
        train_set: Name of the training set, or `UNKNOWN`.
        epochs: Epochs that were logged.
        steps: Updates of the weights.
        minutes: Of training, as logged.
        planned: Epochs that its configuration asks for; 0 if it may stop earlier.
    """

    train_set: str
    epochs: int
    steps: int
    minutes: float
    planned: int = 0

    @property
    def finished(self) -> bool:
        """Say whether training went as far as it was to go, for all that is known."""
        return self.epochs >= self.planned

    def __str__(self) -> str:
        if not self.epochs:
            return f"on {self.train_set}, steps {UNKNOWN}"
        said = f"{self.steps} steps on {self.train_set}, {self.minutes:.0f} min"
        return said if self.finished else f"{said}, NOT FINISHED"


def read_budget(exp: Path) -> Budget | None:
    """Read the budget of an ESPnet experiment; None if there is no `config.yaml`.

    An epoch that was logged more than once, as a resumed one, counts as it was last.
    """
    path = exp / "config.yaml"
    if not path.is_file():
        return None
    config = read_config(path)
    epochs: dict[int, tuple[float, int]] = {}
    logs = sorted(exp.glob("train*.log"), key=lambda log: log.stat().st_mtime)
    for log in logs:
        text = log.read_text(encoding="utf-8", errors="replace")
        for number, time, batches in _EPOCH.findall(text):
            epochs[int(number)] = (_minutes(time), int(batches))
    batches = max((count for _, count in epochs.values()), default=0)
    return Budget(
        train_set=_train_set(config.get("train_data_path_and_name_and_type")),
        epochs=len(epochs),
        steps=batches // int(config.get("accum_grad") or 1),
        minutes=sum(minutes for minutes, _ in epochs.values()),
        planned=_planned(config),
    )


def _planned(config: Mapping[str, Any]) -> int:
    """Read how many epochs are asked for, unless training may end before them."""
    stops_early = config.get("patience") is not None
    return 0 if stops_early else int(config.get("max_epoch") or 0)


def _minutes(time: str) -> float:
    """Read a time such as "1 hour, 2 minutes and 2.67 seconds"."""
    return sum(float(count) * _UNITS[unit] for count, unit in _TIME.findall(time))


def _train_set(data: object) -> str:
    """Read the set's name from ESPnet's list of (path, name, type)."""
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (list, tuple)):
        return Path(str(data[0][0])).parent.name or UNKNOWN
    return UNKNOWN


@dataclass(frozen=True)
class TrainedModel:
    """Name a trained model: the label of its system, what it is, and its budget."""

    label: str
    model: str
    budget: Budget | None


CODEC = "codec"


def list_budgets(systems: Iterable[System]) -> list[TrainedModel]:
    """List the budgets of everything that systems have trained."""
    found = []
    for system in systems:
        found.append(TrainedModel(system.label, CODEC, read_budget(system.codec_exp)))
        if system.lm is not None:
            budget = read_budget(system.lm.exp)
            found.append(TrainedModel(system.label, system.lm.label, budget))
    return found


def budget_table(models: Iterable[TrainedModel]) -> Table:
    """Lay out the budgets."""
    columns = ("Tokenizer", "Model", "Trained on", "Epochs", "Steps", "Minutes")
    rows: list[tuple[str, ...]] = []
    for one in models:
        train_set, numbers = UNKNOWN, (NONE, NONE, NONE)
        if one.budget is not None:
            train_set = one.budget.train_set
            if one.budget.epochs:
                epochs = str(one.budget.epochs)
                if not one.budget.finished:
                    epochs += f" of {one.budget.planned}"
                steps, minutes = one.budget.steps, one.budget.minutes
                numbers = (epochs, str(steps), f"{minutes:.0f}")
        rows.append((one.label, one.model, train_set, *numbers))
    note = "Minutes are those of training as logged, on whatever machine it ran."
    return Table("What was trained", columns, rows, [note])


def budget_note(models: Iterable[TrainedModel], codecs: bool) -> list[str]:
    """Say in a line what a table's models were trained with.

    Args:
        models: Of all systems.
        codecs: Whether the table is of the codecs; else of the language models.
    """
    parts = [
        f"{one.label if codecs else f'{one.model} on {one.label}'}: "
        f"{one.budget or UNKNOWN}"
        for one in models
        if (one.model == CODEC) == codecs
    ]
    return [f"Training: {'; '.join(parts)}."] if parts else []
