"""Locking a directory for one job, with the owner's name in the lock.

Owners are known by host, process and its start: a lock whose process has ended is
stale, and taken over. That cannot be told of another host's.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCK = ".lock"
"""Name of the lock in a directory."""


def process_start(pid: int) -> str | None:
    """Give when a process started, in the system's own count; None if it has ended.

    Where there is no `/proc` the answer is "" for any process that runs.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name in parentheses may hold anything; state and start are behind it.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").is_file():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""


@contextmanager
def directory_lock(directory: str | Path) -> Iterator[None]:
    """Own a directory, which is made if missing, as long as the `with` lasts.

    Raises:
        ValueError: If another job owns it.
    """
    path = Path(directory) / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    _acquire(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _acquire(path: Path) -> None:
    pid = os.getpid()
    owner = {"host": socket.gethostname(), "pid": pid, "start": process_start(pid)}
    while True:
        with path.open("a+", encoding="utf-8") as lock:
            # Only for the moment of looking and writing: of two that find a stale lock
            # one takes it over, and the other finds its name.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_at(lock, path):  # its owner has just finished
                continue
            lock.seek(0)
            if text := lock.read():
                _refuse_unless_stale(text, path)
                logging.warning("%s is of a job that has ended: taken over", path)
            lock.truncate(0)
            lock.write(json.dumps(owner) + "\n")
            return


def _is_at(lock: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _refuse_unless_stale(text: str, path: Path) -> None:
    try:
        owner = json.loads(text)
        host, pid, start = owner["host"], int(owner["pid"]), owner["start"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path} is no lock of ours: remove it if no job works in {path.parent}"
        ) from None
    if host != socket.gethostname():
        raise ValueError(
            f"{path.parent} is in work by process {pid} on {host}: wait for it; if it "
            f"has ended, remove {path}"
        )
    if (running := process_start(pid)) is not None and running == start:
        raise ValueError(f"{path.parent} is in work by process {pid}: wait for it")
