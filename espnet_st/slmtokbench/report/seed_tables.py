"""Tables 2 to 6 as means over seeds, from the figures of each seed's run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.orderings import SPOKEN
from espnet_st.slmtokbench.report.budgets import Budget, TrainedModel, budget_note
from espnet_st.slmtokbench.report.paper import TRUTH, beside_paper
from espnet_st.slmtokbench.report.tables import NONE, NOT_SCORED, Table
from espnet_st.slmtokbench.seeds import Run, over_seeds
from espnet_st.slmtokbench.systems import System, layer_title


@dataclass(frozen=True)
class Layout:
    """Say what a table shows.

    Attributes:
        title: Of the table.
        parts: How the parts begin of which it has rows.
        truth: Part of the ground truth that is its first row; "" if it has none.
        figures: Name of each figure to its column and digits; a column without any
            figure is left out.
        rows: What the second column says of a row.
    """

    title: str
    parts: str
    truth: str
    figures: dict[str, tuple[str, int]]
    rows: str = "Tokens"


LAYOUTS = {
    "reconstruction": Layout(
        "Table 2. Speech reconstruction",
        "rvq",
        "resynthesis",
        {
            "wer": ("WER % ↓", 1),
            "dwer": ("dWER % ↓", 1),
            "visqol": ("ViSQOL ↑", 2),
            "pesq": ("PESQ ↑", 2),
            "stoi": ("STOI ↑", 3),
            "mel": ("Mel distance ↓", 2),
            "dnsmos": ("DNSMOS ↑", 2),
            "distillmos": ("Distill-MOS ↑", 2),
        },
    ),
    "benchmark": Layout(
        "Table 3. SLMTokBench",
        "rvq",
        "resynthesis",
        {
            "mi": ("MI ↑", 1),
            "downstream_wer": ("WER† % ↓", 1),
            "wer": ("WER* % ↓", 1),
            "sim": ("SIM ↑", 3),
        },
    ),
    "zeroshot": Layout(
        "Table 4. Zero-shot text-to-speech",
        SPOKEN,
        "tts",
        {"wer": ("WER % ↓", 1), "sim": ("SIM to prompt ↑", 3)},
        "Model",
    ),
    "conversion": Layout(
        "Table 5. One-shot voice conversion",
        "vc_",
        "conversion",
        {
            "wer": ("WER % ↓", 1),
            "sim": ("SIM to reference ↑", 3),
            "sim_source": ("SIM to source", 3),
        },
        "Voice from",
    ),
    "codebook": Layout(
        "Table 6. Codes and phones",
        "rvq1",
        "",
        {
            "pnmi": ("PNMI ↑", 3),
            "phone_purity": ("Phone purity ↑", 3),
            "cluster_purity": ("Cluster purity ↑", 3),
        },
    ),
}


def seed_tables(runs: Sequence[Run], systems: Sequence[System]) -> dict[str, Table]:
    """Lay out the tables of which some run has figures."""
    models = mean_budgets(runs)
    count = len(runs)
    names = ", ".join(run.name for run in runs)
    about = (
        f"Means over {count} seeds ({names}); intervals of 95 % over utterances and "
        "seeds."
        if count > 1
        else f"One seed ({names}); intervals of 95 % over utterances."
    )
    tables = {}
    for name, layout in LAYOUTS.items():
        table = _table(name, layout, runs, systems)
        if table is not None:
            table.notes.insert(0, about)
            table.notes.extend(budget_note(models, codecs=name != "zeroshot"))
            tables[name] = table
    return tables


@dataclass(frozen=True)
class Row:
    """Say whose figures a row has: key and part, as in `estimates`; labels; roles."""

    key: str
    part: str
    labels: tuple[str, str]
    roles: tuple[str, ...]


def _rows(
    layout: Layout, runs: Sequence[Run], systems: Sequence[System]
) -> Iterator[Row]:
    """List the rows that a table may have."""
    if layout.truth:
        yield Row(TRUTH, layout.truth, ("Groundtruth", ""), (TRUTH,))
    for system in systems:
        for part in sorted({one for run in runs for one in run.parts(system.base)}):
            if part.startswith(layout.parts):
                yield Row(system.base, part, _labels(system, part), system.roles)


def _table(
    name: str, layout: Layout, runs: Sequence[Run], systems: Sequence[System]
) -> Table | None:
    """Lay out one table; None if no run has any of its figures."""
    rows = list(_rows(layout, runs, systems))
    measured = {one for run in runs for one in run.estimates}
    shown = [
        figure
        for figure in layout.figures
        if any((row.key, row.part, figure) in measured for row in rows)
    ]
    rows = [
        row
        for row in rows
        if any((row.key, row.part, figure) in measured for figure in shown)
    ]
    if not rows:
        return None
    lines = [
        (
            *row.labels,
            *(
                NONE
                if row.key == TRUTH and (row.key, row.part, figure) not in measured
                else _cell(runs, (row.key, row.part, figure), layout.figures[figure][1])
                for figure in shown
            ),
        )
        for row in rows
    ]
    columns = ("Tokenizer", layout.rows, *(layout.figures[one][0] for one in shown))
    marks = [
        {"roles": row.roles, "part": "" if row.key == TRUTH else row.part}
        for row in rows
    ]
    return beside_paper(Table(layout.title, columns, lines), name, marks)


def _labels(system: System, part: str) -> tuple[str, str]:
    """Name a row."""
    if part == SPOKEN:
        return system.label, system.lm.label if system.lm is not None else NONE
    if part == "vc_nar":
        return system.label, "the NAR model"
    span = part.removeprefix("vc_").removeprefix("rvq").replace("_", "-")
    return system.label, layer_title(span)


def _cell(runs: Sequence[Run], name: tuple[str, str, str], digits: int) -> str:
    """Write a mean with its interval; a seed that lacks the figure is named."""
    found: list[Estimate] = []
    for run in runs:
        if name not in run.estimates:
            return f"{NOT_SCORED} in {run.name}"
        found.append(run.estimates[name])
    one = over_seeds(found)
    return f"{one.value:.{digits}f} ({one.low:.{digits}f}–{one.high:.{digits}f})"


def mean_budgets(runs: Iterable[Run]) -> list[TrainedModel]:
    """Average over seeds what was trained, as each run's `scores.json` says.

    Epochs are the fewest of any seed: one that was not finished is to be seen.
    """
    of_model: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        for one in run.scores.get("models", []):
            of_model.setdefault((one["label"], one["model"]), []).append(one["budget"])
    return [
        TrainedModel(label, model, _mean_budget([one for one in budgets if one]))
        for (label, model), budgets in of_model.items()
    ]


def _mean_budget(budgets: Sequence[dict[str, Any]]) -> Budget | None:
    if not budgets:
        return None
    count = len(budgets)
    sets = sorted({one["train_set"] for one in budgets})
    return Budget(
        " or ".join(sets),
        min(one["epochs"] for one in budgets),
        round(sum(one["steps"] for one in budgets) / count),
        sum(one["minutes"] for one in budgets) / count,
        max(one.get("planned", 0) for one in budgets),
    )
