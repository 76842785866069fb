"""Processes that share the machine's cores, and how many threads each may take."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import torch


def usable_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_each(workers: int) -> int:
    """Share the usable cores among workers; each gets one thread at least.

    OMP_NUM_THREADS, where it is set, is the most that one gets: on cores that are busy
    with other things, threads that wait for one another take a hundred times as long.
    """
    share = max(1, usable_cores() // max(1, workers))
    allowed = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(share, max(1, int(allowed))) if allowed.isdecimal() else share


def worker_pool(workers: int, threads: int = 1) -> ProcessPoolExecutor:
    """Start fresh processes: forking after torch has run can hang.

    Args:
        workers: Processes.
        threads: Threads of PyTorch in each.
    """
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=torch.set_num_threads,
        initargs=(threads,),
    )
