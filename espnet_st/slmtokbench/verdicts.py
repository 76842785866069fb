"""Whether the paper's orderings hold in the figures of one or more seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.orderings import (
    NEAR_SIM,
    NEAR_WER,
    Claim,
    Figure,
    Ordering,
    find_part,
    paper_orderings,
    without_distillation,
)
from espnet_st.slmtokbench.seeds import Run, over_seeds
from espnet_st.slmtokbench.systems import System

HELD, NOT_HELD = "held", "not held"
UNDECIDED, NOT_MEASURED = "undecided", "not measured"


@dataclass(frozen=True)
class SeedResult:
    """Hold both figures of a claim in one seed, and their difference."""

    run: str
    ours: Estimate
    other: Estimate

    @property
    def difference(self) -> Estimate:
        """Subtract the other figure from ours, utterance by utterance."""
        return self.ours - self.other


@dataclass(frozen=True)
class Finding:
    """Hold what became of a claim.

    Attributes:
        claim: What was claimed.
        verdict: `HELD`, `NOT_HELD`, `UNDECIDED` or `NOT_MEASURED`.
        seeds: Figures of each seed; empty if not measured.
        difference: Ours less the other, mean over seeds; None if not measured.
        why: Why it was not measured, or "".
    """

    claim: Claim
    verdict: str
    seeds: tuple[SeedResult, ...] = ()
    difference: Estimate | None = None
    why: str = ""


@dataclass(frozen=True)
class Judgement:
    """Hold an ordering's verdict and the findings that it follows from."""

    ordering: Ordering
    verdict: str
    findings: tuple[Finding, ...]


def systems_of_roles(systems: Iterable[System]) -> dict[str, System]:
    """Find the system of each role that any has."""
    return {role: system for system in systems for role in system.roles}


def judge_paper(
    systems: Iterable[System],
    runs: Sequence[Run],
    near_wer: float = NEAR_WER,
    near_sim: float = NEAR_SIM,
) -> list[Judgement]:
    """Judge the paper's orderings, and those against the codec without distillation.

    Args:
        systems: With their roles; the latter orderings need one without distillation.
        runs: Results of each seed.
        near_wer: See `paper_orderings`.
        near_sim: See `paper_orderings`.

    Raises:
        ValueError: A margin is not above zero.
    """
    roles = systems_of_roles(systems)
    orderings = paper_orderings(near_wer, near_sim)
    if "no_distillation" in roles:
        orderings += without_distillation(orderings)
    return judge(orderings, roles, runs)


def judge(
    orderings: Iterable[Ordering], roles: Mapping[str, System], runs: Sequence[Run]
) -> list[Judgement]:
    """Judge orderings.

    A claim holds if the interval of the difference of its figures, over utterances and
    seeds (see `over_seeds`), lies on the claimed side, and each seed's own difference
    does; it does not hold if all that lies on the other side; else it is undecided.

    An ordering holds if all its claims do, and does not if one does not. It is not
    measured if none of its claims is; else it is undecided.
    """
    judgements = []
    for ordering in orderings:
        findings = tuple(_judge_claim(claim, roles, runs) for claim in ordering.claims)
        verdicts = {finding.verdict for finding in findings}
        verdict = UNDECIDED
        if NOT_HELD in verdicts:
            verdict = NOT_HELD
        elif len(verdicts) == 1:
            (verdict,) = verdicts
        judgements.append(Judgement(ordering, verdict, findings))
    return judgements


def _judge_claim(
    claim: Claim, roles: Mapping[str, System], runs: Sequence[Run]
) -> Finding:
    """Judge one claim."""
    seeds = []
    for run in runs:
        try:
            ours, other = (_find(one, roles, run) for one in (claim.ours, claim.other))
            seeds.append(SeedResult(run.name, ours, other))
        except LookupError as reason:
            return Finding(claim, NOT_MEASURED, why=str(reason.args[0]))
    difference = over_seeds([one.difference for one in seeds])
    verdict = decide(claim, difference, [one.difference.value for one in seeds])
    return Finding(claim, verdict, tuple(seeds), difference)


def _find(figure: Figure, roles: Mapping[str, System], run: Run) -> Estimate:
    """Look a figure up; a LookupError says what is missing."""
    if figure.role not in roles:
        raise LookupError(f"no system has the role {figure.role}")
    system = roles[figure.role]
    part = find_part(figure.part, run.parts(system.base))
    found = run.estimates.get((system.base, part, figure.name))
    if found is None:
        raise LookupError(f"{run.name} has no {figure.name} of {system.base} {part}")
    if not math.isfinite(found.value) or math.isnan(found.low):
        raise LookupError(
            f"{figure.name} of {system.base} {part} is no number in {run.name}"
        )
    return found


def decide(claim: Claim, difference: Estimate, seeds: Sequence[float]) -> str:
    """Give the verdict on a claim.

    Args:
        claim: Which side is claimed, and with which margin.
        difference: Ours less the other, over all seeds.
        seeds: The same in each seed.
    """
    ends = sorted(
        claim.sign * end + claim.margin for end in (difference.low, difference.high)
    )
    gains = [claim.sign * value + claim.margin for value in seeds]
    if ends[0] > 0 and min(gains) > 0:
        return HELD
    if ends[1] < 0 and max(gains) < 0:
        return NOT_HELD
    return UNDECIDED
