"""Scores many files with several processes, resuming row by row, naming what fails.

A job is one scorer on one condition; each of its items has a row in the cache.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from espnet_st.slmtokbench.cache import Row, ScoreCache, file_stamps, fingerprint
from espnet_st.slmtokbench.scorers.base import Item, Measurements
from espnet_st.slmtokbench.scorers.measuring import Measurer, Outcome, Result, Task
from espnet_st.slmtokbench.scorers.registry import find_scorer
from espnet_st.slmtokbench.scorers.workers import measure_in_processes

TIMEOUT = 600.0
"""Seconds that one item may take one scorer."""
Key = tuple[str, str]


@dataclass(frozen=True)
class Job:
    """Name one scorer and the items of one condition."""

    scorer: str
    condition: str
    items: tuple[Item, ...]


def measure_jobs(
    jobs: Sequence[Job],
    settings: Mapping[str, Any],
    cache: ScoreCache,
    nj: int = 1,
    timeout: float = TIMEOUT,
) -> tuple[dict[Key, Measurements], dict[str, str]]:
    """Measure the items that the cache does not hold.

    Args:
        jobs: At most one per scorer and condition.
        settings: Of all scorers, see `Scorer`.
        cache: Of finished scores.
        nj: Processes; with 0 it is this one that measures, which a debugger can
            follow, and which a crash or a hanging scorer would take with it.
        timeout: Seconds that one item may take one scorer in a process.

    Returns:
        Measurements by (scorer, condition), and the reason of each scorer that
        cannot run here. A job whose scorer cannot run has no measurements, unless
        nothing of it was left to do.
    """
    done: dict[Key, Measurements] = {}
    stamps: dict[tuple[str, str, str], str] = {}
    tasks = []
    # Together those of one scorer, so that a process has one in memory at a time.
    for job in sorted(jobs, key=lambda job: job.scorer):
        key = (job.scorer, job.condition)
        done[key] = Measurements({}, {})
        rows, scorer = cache.rows(*key), find_scorer(job.scorer)
        for item, stamp in zip(job.items, job_stamps(job, settings)):
            row = rows.get(item.utt_id)
            if row is not None and row.stamp == stamp:
                _keep(done[key], row)
            else:
                tasks.append(Task(scorer, job.condition, item))
                stamps[(*key, item.utt_id)] = stamp
    total = sum(len(job.items) for job in jobs)
    logging.info("%d of %d scores were there before", total - len(tasks), total)
    missing: dict[str, str] = {}
    left = Counter(task.scorer.name for task in tasks)
    if nj == 0:
        outcomes = _measure_here(tasks, settings)
    else:
        outcomes = measure_in_processes(tasks, settings, nj, timeout)
    with tqdm(total=len(tasks), desc="scoring", unit="file", mininterval=1.0) as bar:
        for task, outcome in outcomes:
            name, utt_id = task.scorer.name, task.item.utt_id
            key = (name, task.condition)
            if outcome.result is Result.MISSING:
                bar.total -= left.pop(name, 0)
                missing[name] = outcome.content
                continue
            bar.update()
            left[name] -= 1
            if outcome.result is Result.LOST:
                done[key].failed[utt_id] = outcome.content
            else:
                row = _row(utt_id, stamps[(*key, utt_id)], outcome)
                cache.append(*key, row)
                _keep(done[key], row)
    return {key: one for key, one in done.items() if key[0] not in missing}, missing


def _row(utt_id: str, stamp: str, outcome: Outcome) -> Row:
    if outcome.result is Result.VALUE:
        return Row(utt_id, stamp, value=outcome.content)
    return Row(utt_id, stamp, failed=outcome.content)


def _keep(measurements: Measurements, row: Row) -> None:
    """Put a row among the values or the failures."""
    if row.failed:
        measurements.failed[row.key] = row.failed
    else:
        measurements.values[row.key] = row.value


def job_stamps(job: Job, settings: Mapping[str, Any]) -> list[str]:
    """Hash what the score of each item depends on: what its scorer reads, no more."""
    scorer = find_scorer(job.scorer)
    depends_on = scorer.depends_on(settings)
    return [
        fingerprint(
            scorer=job.scorer,
            depends_on=depends_on,
            files=file_stamps(_files_of(item, scorer.reads_original)),
            text=item.text if scorer.reads_text else None,
        )
        for item in job.items
    ]


def _files_of(item: Item, with_original: bool) -> Iterable[Any]:
    yield item.wav
    if with_original and item.reference is not None:
        yield item.reference


def _measure_here(
    tasks: Iterable[Task], settings: Mapping[str, Any]
) -> Iterator[tuple[Task, Outcome]]:
    """Measure items in this process."""
    measurer = Measurer(settings)
    for task in tasks:
        yield task, measurer.build(task.scorer) or measurer.measure(task.item)
