"""Writes what several seeds gave together: verdicts, means, and a report of both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from espnet_st.slmtokbench.report.budgets import budget_table
from espnet_st.slmtokbench.report.environment import describe_environment
from espnet_st.slmtokbench.report.page import Section, render_report
from espnet_st.slmtokbench.report.seed_tables import mean_budgets, seed_tables
from espnet_st.slmtokbench.report.tables import Table, to_markdown
from espnet_st.slmtokbench.report.verdicts import orderings_section, verdicts_json
from espnet_st.slmtokbench.seeds import Run
from espnet_st.slmtokbench.systems import System
from espnet_st.slmtokbench.verdicts import judge_paper, systems_of_roles


def write_over_seeds(
    runs: Sequence[Run],
    systems: Sequence[System],
    near_wer: float,
    near_sim: float,
    output: Path,
) -> list[Table]:
    """Judge the orderings and write ORDERINGS.md, orderings.json, RESULTS.md, the page.

    Args:
        runs: Results of each seed.
        systems: Of the list, without a seed.
        near_wer: Margin of `paper_orderings`.
        near_sim: Margin of `paper_orderings`.
        output: Directory, made if need be.

    Returns:
        The tables of verdicts and of claims.

    Raises:
        ValueError: A margin is not above zero.
    """
    judged = judge_paper(systems, runs, near_wer, near_sim)
    roles = systems_of_roles(systems)
    section = orderings_section(judged, roles)
    tables = [*seed_tables(runs, systems).values(), budget_table(mean_budgets(runs))]
    environment = {
        **describe_environment(),
        **{f"commit of {run.name}": _commit(run) for run in runs},
    }
    shown = [*section.tables, *section.folded]
    output.mkdir(parents=True, exist_ok=True)
    content = {"environment": environment, "orderings": verdicts_json(judged, roles)}
    text = json.dumps(content, indent=1, allow_nan=False)
    (output / "orderings.json").write_text(text + "\n", encoding="utf-8")
    head = "".join(f"- {name}: `{value}`\n" for name, value in environment.items())
    for name, title, parts in (
        ("ORDERINGS.md", "Orderings", shown),
        ("RESULTS.md", "RESULTS", [*shown, *tables]),
    ):
        body = "\n".join(map(to_markdown, parts))
        text = f"# {title}\n\n{section.intro}\n\n{head}\n{body}"
        (output / name).write_text(text, encoding="utf-8")
    page = render_report(
        f"Results over {len(runs)} seed{'s' if len(runs) > 1 else ''}",
        "Speech tokens and language models scored with SLMTokBench. Players and "
        f"figures are in the report of each seed: {', '.join(r.name for r in runs)}.",
        environment,
        [section, Section("Tables", tables=tables)],
        json.dumps(runs[0].scores.get("config", {}), indent=1),
    )
    (output / "report.html").write_text(page, encoding="utf-8")
    return shown


def _commit(run: Run) -> str:
    return str(run.scores.get("environment", {}).get("Git hash", "unknown"))
