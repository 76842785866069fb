"""Measures many files with several processes, row by row, resuming and naming failures.

A job is one scorer on one condition. Chunks of all jobs share one pool.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from espnet_st.slmtokbench.cache import RowCache, file_stamps, fingerprint
from espnet_st.slmtokbench.scorers.base import Item, Measurements, NotScored, Scorer
from espnet_st.slmtokbench.scorers.quality import QUALITY_SCORERS, build_quality_scorer
from espnet_st.slmtokbench.scorers.recognizer import build_recognizer
from espnet_st.slmtokbench.scorers.speaker import build_speaker_encoder

RECOGNIZERS = ("pocketsphinx", "whisper")
CHUNK = 8


@dataclass(frozen=True)
class Job:
    """One scorer on the items of one condition."""

    scorer: str
    condition: str
    items: tuple[Item, ...]


def build_scorer(name: str, settings: Mapping[str, Any]) -> Scorer:
    """Build any scorer of audio by its name.

    Raises:
        ValueError: an unknown name.
        NotScored: it cannot run here.
    """
    if name in RECOGNIZERS:
        return build_recognizer(name, dict(settings))
    if name in QUALITY_SCORERS:
        return build_quality_scorer(name)
    return build_speaker_encoder(name, dict(settings))


_built: dict[tuple, Scorer] = {}


def find_missing(names: Iterable[str], settings: Mapping[str, Any]) -> dict[str, str]:
    """Those of the scorers that cannot run here, and why."""
    missing = {}
    for name in names:
        try:
            build_scorer(name, settings)
        except NotScored as reason:
            missing[name] = str(reason)
    return missing


def measure_chunk(
    name: str, settings: Mapping[str, Any], items: Sequence[Item]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Measure some items with a scorer that is built once per process.

    Returns:
        Values and failures.
    """
    key = (name, tuple(sorted((k, str(v)) for k, v in settings.items())))
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
    cache: RowCache,
    nj: int = 1,
) -> tuple[dict[tuple[str, str], Measurements], dict[str, str]]:
    """Run the jobs that the cache does not hold.

    Args:
        jobs: at most one per scorer and condition.
        settings: what `build_scorer` needs.
        cache: of finished rows.
        nj: processes; 1 stays in this one.

    Returns:
        Measurements by (scorer, condition), and the reason of each scorer that
        cannot run here. A job whose scorer cannot run has no measurements.
    """
    done: dict[tuple[str, str], Measurements] = {}
    stamps, todo = {}, []
    for job in jobs:
        key = (job.scorer, job.condition)
        stamps[key] = _stamp(job, settings)
        row = cache.get(*key, stamps[key])
        if row is None:
            todo.append(job)
        else:
            done[key] = Measurements(**row)
    logging.info("%d of %d rows were scored before", len(done), len(jobs))
    missing = find_missing(sorted({job.scorer for job in todo}), settings)
    chunks, waiting = [], {}
    for job in todo:
        if job.scorer not in missing:
            key = (job.scorer, job.condition)
            parts = [job.items[i : i + CHUNK] for i in range(0, len(job.items), CHUNK)]
            chunks += [(key, part) for part in parts]
            waiting[key] = (len(parts), Measurements({}, {}))
    total = sum(len(part) for _, part in chunks)
    with tqdm(total=total, desc="scoring", unit="file", mininterval=1.0) as bar:
        for key, part, (values, failed) in _run(chunks, settings, nj):
            bar.update(len(part))
            left, row = waiting[key]
            row.values.update(values)
            row.failed.update(failed)
            waiting[key] = (left - 1, row)
            if left == 1:
                content = {"values": row.values, "failed": row.failed}
                cache.put(*key, stamps[key], content)
                done[key] = row
    return done, missing


def _stamp(job: Job, settings: Mapping[str, Any]) -> str:
    files = [path for item in job.items for path in (item.wav, item.reference)]
    own = [settings[k] for k in ("language_model", "dictionary") if k in settings]
    return fingerprint(
        scorer=job.scorer,
        models={k: v for k, v in settings.items() if k.endswith("_model")},
        files=file_stamps(files),
        recogniser=file_stamps(own) if job.scorer == "pocketsphinx" else [],
        utterances=[(item.utt_id, item.text) for item in job.items],
    )


def _run(chunks: list, settings: Mapping[str, Any], nj: int) -> Iterator[tuple]:
    """Yield (key, items, result) of each chunk as it is ready."""
    if nj <= 1:
        for key, part in chunks:
            yield key, part, measure_chunk(key[0], settings, part)
        return
    if not chunks:
        return
    with worker_pool(nj) as pool:
        futures = {
            pool.submit(measure_chunk, key[0], dict(settings), part): (key, part)
            for key, part in chunks
        }
        for future in as_completed(futures):
            yield (*futures[future], future.result())


def worker_pool(nj: int) -> ProcessPoolExecutor:
    """Fresh single-threaded processes: forking after torch has run can hang."""
    return ProcessPoolExecutor(
        nj,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_one_thread,
    )


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
