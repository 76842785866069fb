"""Processes that measure items, whose death or hanging costs one item and no more.

Each process has one item at a time. Where it dies, by a crash of the scorer's code or
for want of memory, or takes too long, the item is named and another process goes on.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from typing import Any

import torch

from espnet_st.slmtokbench.scorers.base import Scorer
from espnet_st.slmtokbench.scorers.measuring import Measurer, Outcome, Result, Task

TRIES = 2
"""Times that an item is given to a process that dies; it may not be its fault."""
MOST_DEATHS = 20
"""Deaths after which a scorer is given up."""
BUILDING = 1800.0
"""Seconds for a process to start and to load a scorer."""
DYING = 60.0
"""Seconds for a process to end once it has closed its connection."""


def _serve(connection: Connection, settings: Mapping[str, Any]) -> None:
    """Measure what comes through a connection, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends this one
    torch.set_num_threads(1)
    measurer = Measurer(settings)
    try:
        while True:
            scorer, item = connection.recv()
            outcome = measurer.build(scorer)
            if outcome is None:
                connection.send(None)  # from now on it is the item that takes time
                outcome = measurer.measure(item)
            connection.send(outcome)
    except (EOFError, BrokenPipeError):
        return  # the main process is at its end


class _Worker:
    """Hold a process, and the task that it is at."""

    def __init__(self, context: SpawnContext, settings: Mapping[str, Any]):
        self.connection, theirs = context.Pipe()
        # Threads of the main process (a progress bar's) rule out a fork.
        self.process = context.Process(
            target=_serve, args=(theirs, dict(settings)), daemon=True
        )
        self.process.start()
        theirs.close()  # so that its death closes the connection
        self.task: Task | None = None
        self.building, self.deadline = True, 0.0

    def give(self, task: Task) -> None:
        """Hand over a task."""
        self.task, self.building = task, True
        self.deadline = time.monotonic() + BUILDING
        try:
            self.connection.send((task.scorer, task.item))
        except (BrokenPipeError, ConnectionResetError):
            logging.debug("a process died between two items")  # `receive` finds it

    def receive(self, timeout: float) -> Outcome | None:
        """Take a message that waits; None if it is that the scorer is ready.

        Raises:
            EOFError: The process died.
        """
        try:
            outcome = self.connection.recv()
        except OSError as error:  # it died in the middle of a message
            raise EOFError from error
        if outcome is None:
            self.building, self.deadline = False, time.monotonic() + timeout
        return outcome

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def describe_death(self) -> str:
        """Say how a process ended by itself."""
        self.process.join(DYING)
        code = self.process.exitcode or 0
        self.end()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class _Run:
    """Give tasks to processes, and find out which of them cannot be done."""

    def __init__(self, settings: Mapping[str, Any], timeout: float):
        self.settings, self.timeout = settings, timeout
        self.pending: deque[Task] = deque()
        self.workers: list[_Worker] = []
        self.idle: list[_Worker] = []
        self.given_up: dict[type[Scorer], Outcome] = {}
        self.deaths: Counter[type[Scorer]] = Counter()
        self.tries: Counter[Task] = Counter()

    def all(self, tasks: Iterable[Task], nj: int) -> Iterator[tuple[Task, Outcome]]:
        """Yield each task with what came of it, as it comes."""
        context = multiprocessing.get_context("spawn")
        self.pending.extend(tasks)
        while self.pending or len(self.idle) < len(self.workers):
            while self.pending and (self.idle or len(self.workers) < nj):
                task = self.pending.popleft()
                if task.scorer in self.given_up:
                    yield task, self.given_up[task.scorer]
                    continue
                if not self.idle:
                    self.workers.append(_Worker(context, self.settings))
                    self.idle.append(self.workers[-1])
                self.idle.pop().give(task)
            yield from self._collect()

    def _collect(self) -> Iterator[tuple[Task, Outcome]]:
        """Wait for something to happen; yield the tasks that are done with."""
        busy = [worker for worker in self.workers if worker not in self.idle]
        first = min((worker.deadline for worker in busy), default=0.0)
        wait_for = max(0.0, first - time.monotonic())
        ready = wait([worker.connection for worker in busy], wait_for)
        for worker in busy:
            task = worker.task
            assert task is not None
            outcome: Outcome | None
            if worker.connection in ready:
                try:
                    outcome = worker.receive(self.timeout)
                except EOFError:
                    outcome = self._bury(worker, task)
                else:
                    if outcome is not None:
                        self.idle.append(worker)
            elif time.monotonic() >= worker.deadline:
                outcome = self._stop(worker)
            else:
                continue
            if outcome is None:
                continue
            if outcome.result is Result.MISSING:
                self.given_up[task.scorer] = outcome
            yield task, outcome

    def _bury(self, worker: _Worker, task: Task) -> Outcome | None:
        """Remove a process that died; None if its task is to be tried again."""
        self.workers.remove(worker)
        how, name = worker.describe_death(), task.scorer.name
        self.tries[task] += 1
        self.deaths[task.scorer] += 1
        logging.warning("%s: its process died (%s) at %s", name, how, task.item.utt_id)
        if self.tries[task] < TRIES:
            self.pending.appendleft(task)
            return None
        if worker.building:
            reason = f"its process died ({how}) as it was loaded"
            return Outcome(Result.MISSING, reason)
        if self.deaths[task.scorer] >= MOST_DEATHS:
            reason = f"not tried: {MOST_DEATHS} processes of {name} had died before"
            self.given_up[task.scorer] = Outcome(Result.LOST, reason)
        return Outcome(Result.LOST, f"the process of {name} died ({how})")

    def _stop(self, worker: _Worker) -> Outcome:
        """End a process that takes too long."""
        self.workers.remove(worker)
        worker.end()
        if worker.building:
            reason = f"it was not loaded within {BUILDING:g} s"
            return Outcome(Result.MISSING, reason)
        return Outcome(Result.LOST, f"not done within {self.timeout:g} s")

    def close(self) -> None:
        """End all processes."""
        for worker in self.workers:
            worker.end()


def measure_in_processes(
    tasks: Iterable[Task], settings: Mapping[str, Any], nj: int, timeout: float
) -> Iterator[tuple[Task, Outcome]]:
    """Measure items in processes of their own.

    Args:
        tasks: What is to do. Where those of one scorer stand together, a process
            builds it once.
        settings: Of all scorers.
        nj: Processes.
        timeout: Seconds that an item may take, once its scorer is loaded.

    Yields:
        Each task once, with what came of it, in the order in which they are done.
    """
    run = _Run(settings, timeout)
    try:
        yield from run.all(tasks, nj)
    finally:
        run.close()
