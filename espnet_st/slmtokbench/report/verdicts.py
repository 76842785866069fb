"""Verdicts on the paper's orderings as tables, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.orderings import Figure
from espnet_st.slmtokbench.report.page import Section
from espnet_st.slmtokbench.report.tables import NONE, VERDICT, Table
from espnet_st.slmtokbench.systems import System, layer_title
from espnet_st.slmtokbench.verdicts import (
    HELD,
    NOT_HELD,
    NOT_MEASURED,
    UNDECIDED,
    Finding,
    Judgement,
    SeedResult,
)

NAMES = {
    "mi": "MI",
    "downstream_wer": "downstream WER",
    "wer": "WER",
    "sim": "SIM",
    "pnmi": "PNMI",
}
"""Name of a figure to how tables write it."""
DIGITS = {"mi": 1, "downstream_wer": 1, "wer": 1}
OTHER_DIGITS = 3


def orderings_section(
    judgements: Sequence[Judgement], roles: Mapping[str, System]
) -> Section:
    """Lay out verdicts as the first section of a report."""
    verdicts = [one.verdict for one in judgements]
    counts = ", ".join(
        f"{verdicts.count(verdict)} {verdict}"
        for verdict in (HELD, NOT_HELD, UNDECIDED, NOT_MEASURED)
        if verdict in verdicts
    )
    return Section(
        "Orderings",
        "What the paper claims, and whether it holds here. An ordering is held if all "
        "its claims are. A claim is held if the 95 % interval of its difference lies "
        "on the claimed side, and each seed agrees. A starred line puts the same codec "
        "trained without distillation where the paper has EnCodec. "
        f"Here: {counts}.",
        tables=[verdict_table(judgements)],
        folded=[claim_table(judgements, roles)],
    )


def verdict_table(judgements: Sequence[Judgement]) -> Table:
    """Lay out a line for each ordering."""
    rows = [
        (
            one.ordering.letter,
            one.ordering.text,
            _verdict(one.verdict, one.findings),
            one.ordering.source,
        )
        for one in judgements
    ]
    columns = ("Ordering", "The paper claims", VERDICT, "In the paper")
    return Table("Verdicts", columns, rows)


def claim_table(judgements: Sequence[Judgement], roles: Mapping[str, System]) -> Table:
    """Lay out a line for each claim: its difference, over seeds and in each."""
    rows = []
    for judgement in judgements:
        for one in judgement.findings:
            rows.append(
                (
                    judgement.ordering.letter,
                    claim_text(one, roles),
                    _verdict(one.verdict, (one,)),
                    _difference(one),
                    _seeds(one),
                )
            )
    columns = ("Ordering", "Claim", VERDICT, "Difference (95 %)", "In each run")
    notes = [
        "Difference: the first figure less the second, on the same utterances; its "
        "interval is over utterances and, with several runs, over seeds as well."
    ]
    return Table("Claims", columns, rows, notes)


def claim_text(finding: Finding, roles: Mapping[str, System]) -> str:
    """Write a claim in words, with the labels of systems where they are known."""
    claim = finding.claim
    ours, other = (_place(one, roles) for one in (claim.ours, claim.other))
    name = NAMES.get(claim.ours.name, claim.ours.name)
    if not claim.margin:
        return f"{name}: {ours} {claim.relation} {other}"
    worse = "below" if claim.sign > 0 else "above"
    return f"{name}: {ours} less than {claim.margin:g} {worse} {other}"


def _place(figure: Figure, roles: Mapping[str, System]) -> str:
    """Name a figure's system and part."""
    system = roles.get(figure.role)
    label = system.label if system is not None else figure.role
    part = figure.part.replace("rvq", "")
    if figure.part == "tts":
        if system is not None and system.lm is not None:
            return f"{system.lm.label} on {label}"
        return f"speech of {label}"
    start = "voice from " if part.startswith("vc_") else ""
    span = part.removeprefix("vc_")
    if span.endswith("_all"):
        layers = "all layers" if not start else "all layers after the first"
    else:
        layers = layer_title(span.replace("_", "-"))
    return f"{label} {start}{layers}"


def _verdict(verdict: str, findings: Sequence[Finding]) -> str:
    """Write a verdict; one seed says so."""
    seeds = max(len(finding.seeds) for finding in findings)
    return f"{verdict} (one seed)" if seeds == 1 else verdict


def _number(value: float, name: str, sign: bool = False) -> str:
    digits = DIGITS.get(name, OTHER_DIGITS)
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "\u2212")


def _interval(one: Estimate, name: str) -> str:
    value, low, high = (_number(x, name, True) for x in (one.value, one.low, one.high))
    return f"{value} ({low} to {high})"


def _difference(finding: Finding) -> str:
    if finding.difference is None:
        return finding.why
    return _interval(finding.difference, finding.claim.ours.name)


def _seeds(finding: Finding) -> str:
    """Write both figures and their difference in each run."""
    name = finding.claim.ours.name
    return (
        "; ".join(
            f"{one.run}: {_number(one.ours.value, name)} and "
            f"{_number(one.other.value, name)}, {_interval(one.difference, name)}"
            for one in finding.seeds
        )
        or NONE
    )


def verdicts_json(
    judgements: Sequence[Judgement], roles: Mapping[str, System]
) -> list[dict[str, Any]]:
    """Return verdicts, claims and figures as JSON has them."""
    return [
        {
            "ordering": judgement.ordering.letter,
            "text": judgement.ordering.text,
            "source": judgement.ordering.source,
            "verdict": judgement.verdict,
            "claims": [
                {
                    "claim": claim_text(one, roles),
                    "margin": one.claim.margin,
                    "verdict": one.verdict,
                    **({"why": one.why} if one.verdict == NOT_MEASURED else {}),
                    "difference": one.difference and one.difference.as_json(),
                    "runs": {seed.run: _seed_json(seed) for seed in one.seeds},
                }
                for one in judgement.findings
            ],
        }
        for judgement in judgements
    ]


def _seed_json(seed: SeedResult) -> dict[str, Any]:
    return {
        "ours": seed.ours.as_json(),
        "other": seed.other.as_json(),
        "difference": seed.difference.as_json(),
    }
