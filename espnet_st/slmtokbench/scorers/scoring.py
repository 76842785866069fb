"""Scores many files with several processes, resuming, and naming what fails.

A job is one scorer on one condition. Chunks of all jobs share one pool.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from espnet_st.slmtokbench.cache import ScoreCache, file_stamps, fingerprint
from espnet_st.slmtokbench.processes import worker_pool
from espnet_st.slmtokbench.scorers.base import Item, Measurements, NotScored, Scorer
from espnet_st.slmtokbench.scorers.registry import build_scorer, find_scorer

CHUNK = 8
Key = tuple[str, str]
Chunk = tuple[Key, tuple[Item, ...]]
Result = tuple[dict[str, Any], dict[str, str]]


@dataclass(frozen=True)
class Job:
    """Name one scorer and the items of one condition."""

    scorer: str
    condition: str
    items: tuple[Item, ...]


_built: dict[tuple[str, str], Scorer] = {}


def find_missing(names: Iterable[str], settings: Mapping[str, Any]) -> dict[str, str]:
    """Find those of the scorers that cannot run here, and why."""
    missing = {}
    for name in names:
        try:
            build_scorer(name, settings)
        except NotScored as reason:
            missing[name] = str(reason)
    return missing


def measure_chunk(
    name: str, settings: Mapping[str, Any], items: Sequence[Item]
) -> Result:
    """Measure some items with a scorer that is built once per process.

    Returns:
        Values and failures.
    """
    key = (name, fingerprint(**settings))
    if key not in _built:
        _built[key] = build_scorer(name, settings)
    values, failed = {}, {}
    for item in items:
        try:
            values[item.utt_id] = _built[key].measure(item)
        except (ValueError, RuntimeError) as error:
            failed[item.utt_id] = str(error)
    return values, failed


def measure_jobs(
    jobs: Sequence[Job],
    settings: Mapping[str, Any],
    cache: ScoreCache,
    nj: int = 1,
) -> tuple[dict[Key, Measurements], dict[str, str]]:
    """Run the jobs that the cache does not hold.

    Args:
        jobs: At most one per scorer and condition.
        settings: Of all scorers, see `Scorer`.
        cache: Of finished scores.
        nj: Processes; 1 stays in this one.

    Returns:
        Measurements by (scorer, condition), and the reason of each scorer that
        cannot run here. A job whose scorer cannot run has no measurements.
    """
    done: dict[Key, Measurements] = {}
    stamps, todo = {}, []
    for job in jobs:
        key = (job.scorer, job.condition)
        stamps[key] = job_stamp(job, settings)
        entry = cache.get(*key, stamps[key])
        if entry is None:
            todo.append(job)
        else:
            done[key] = Measurements(**entry)
    logging.info("%d of %d jobs were scored before", len(done), len(jobs))
    missing = find_missing(sorted({job.scorer for job in todo}), settings)
    chunks: list[Chunk] = []
    waiting: dict[Key, tuple[int, Measurements]] = {}
    for job in todo:
        if job.scorer not in missing:
            key = (job.scorer, job.condition)
            parts = [job.items[i : i + CHUNK] for i in range(0, len(job.items), CHUNK)]
            chunks += [(key, part) for part in parts]
            waiting[key] = (len(parts), Measurements({}, {}))
    total = sum(len(part) for _, part in chunks)
    with tqdm(total=total, desc="scoring", unit="file", mininterval=1.0) as bar:
        for (key, part), (values, failed) in _run(chunks, settings, nj):
            bar.update(len(part))
            left, scores = waiting[key]
            scores.values.update(values)
            scores.failed.update(failed)
            waiting[key] = (left - 1, scores)
            if left == 1:
                content = {"values": scores.values, "failed": scores.failed}
                cache.put(*key, stamps[key], content)
                done[key] = scores
    return done, missing


def job_stamp(job: Job, settings: Mapping[str, Any]) -> str:
    """Hash what a job's scores depend on: what its scorer reads, and no more."""
    scorer = find_scorer(job.scorer)
    files = [item.wav for item in job.items]
    if scorer.reads_original:
        files += [item.reference for item in job.items if item.reference]
    return fingerprint(
        scorer=job.scorer,
        depends_on=scorer.depends_on(settings),
        files=file_stamps(files),
        utterances=[
            (item.utt_id, item.text if scorer.reads_text else None)
            for item in job.items
        ],
    )


def _run(
    chunks: Sequence[Chunk], settings: Mapping[str, Any], nj: int
) -> Iterator[tuple[Chunk, Result]]:
    """Yield each chunk with its result as it is ready."""
    if nj <= 1:
        for key, part in chunks:
            yield (key, part), measure_chunk(key[0], settings, part)
        return
    if not chunks:
        return
    with worker_pool(nj) as pool:
        futures = {
            pool.submit(measure_chunk, key[0], dict(settings), part): (key, part)
            for key, part in chunks
        }
        for future in as_completed(futures):
            yield futures[future], future.result()
