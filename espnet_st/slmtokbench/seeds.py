"""Runs of several seeds side by side: their figures, and what is sure over seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.estimates import FILE, Estimates, read_estimates

SCORES = "scores.json"


@dataclass(frozen=True)
class Run:
    """Hold the results of one seed.

    Attributes:
        name: Of its directory.
        estimates: Its figures, of `estimates.npz`.
        scores: Its `scores.json`.
    """

    name: str
    estimates: Estimates
    scores: Mapping[str, Any]

    def parts(self, system: str) -> set[str]:
        """Return the parts of which a system has figures."""
        return {part for key, part, _ in self.estimates if key == system}

    @property
    def seeds(self) -> set[int]:
        """Return the seeds of its systems."""
        seeds = (system.get("seed") for system in self.scores["systems"])
        return {seed for seed in seeds if seed is not None}


def read_runs(directories: Sequence[Path]) -> list[Run]:
    """Read the results of several seeds.

    Raises:
        ValueError: A directory has no results or unreadable ones, or comes twice; two
            have the same seed, or were scored on other utterances.
    """
    if not directories:
        raise ValueError("No directory of results, expected one for each seed.")
    runs = [_read_run(directory) for directory in directories]
    resolved = [directory.resolve() for directory in directories]
    for index, run in enumerate(runs):
        if resolved[index] in resolved[:index]:
            raise ValueError(f"{directories[index]} comes twice, expected other seeds.")
        for other, earlier in zip(directories[:index], runs):
            if both := sorted(run.seeds & earlier.seeds):
                raise ValueError(
                    f"{directories[index]} and {other} both have the seed {both[0]}."
                )
    first = runs[0]
    for directory, run in zip(directories, runs):
        _check_same_utterances(directory, run, directories[0], first)
    return runs


def _read_run(directory: Path) -> Run:
    """Read the results of one seed."""
    estimates = read_estimates(directory / FILE)
    path = directory / SCORES
    if not path.is_file():
        raise ValueError(f"no {path}; stage 8 makes it")
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable: {error}") from error
    if not isinstance(scores, dict) or not {"systems", "sample"} <= set(scores):
        raise ValueError(f"{path}: expected `systems` and `sample`; run stage 8 again")
    return Run(directory.name, estimates, scores)


def _check_same_utterances(directory: Path, run: Run, other: Path, first: Run) -> None:
    """Refuse draws that did not resample the same utterances."""
    ours, theirs = run.scores["sample"], first.scores["sample"]
    for name in sorted(set(ours) | set(theirs)):
        if ours.get(name) != theirs.get(name):
            raise ValueError(
                f"{directory} was not scored on the utterances of {other}: {name} is "
                f"{ours.get(name)} and {theirs.get(name)}. Score both with one "
                "configuration and one test set."
            )
    lengths = {len(one.draws) for r in (run, first) for one in r.estimates.values()}
    if len(lengths) > 1:
        raise ValueError(f"{directory} and {other} have {sorted(lengths)} draws.")


def over_seeds(estimates: Sequence[Estimate]) -> Estimate:
    """Take the mean of a figure over seeds, uncertain by utterances and by seeds.

    Draw k of each seed resampled the same utterances, so their mean is the figure's
    mean over seeds on those utterances: what the test set happens to hold is common to
    all seeds, and does not average out with more of them.

    The seeds are a second sample. Resampling them with replacement is too sure of
    itself with few: of three, nothing lies beyond the least, and where a difference is
    pure chance all three agree on the claimed side one time in eight. So each draw
    moves the mean by a variable of Student's t with S - 1 degrees of freedom times
    s / sqrt(S), s being the standard deviation over seeds: the distribution that
    resampling has in the limit of many seeds, and for few the classical interval of a
    mean of normal values. The seeds' own chance on single utterances is in both parts,
    so the interval is rather too wide than too narrow.

    Args:
        estimates: The figure in each seed, with draws of the same utterances.

    Returns:
        With one seed, its own estimate.
    """
    count = len(estimates)
    if count == 1:
        return estimates[0]
    values = np.array([one.value for one in estimates])
    draws = np.mean([one.draws for one in estimates], axis=0)
    # The quantiles of t in an order that has nothing to do with the utterances'.
    places = (np.random.default_rng(0).permutation(len(draws)) + 0.5) / len(draws)
    spread = values.std(ddof=1) / np.sqrt(count)
    return Estimate(
        float(values.mean()), draws + stats.t.ppf(places, count - 1) * spread
    )
