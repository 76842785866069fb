#!/usr/bin/env python3
"""Runs a command that writes to log files, and shows from them how far it is.

An ESPnet training log becomes a bar of its epochs; a job array a bar of its ended jobs;
progress bars that the command itself draws are passed on. When the command fails, the
end of the log that failed is shown.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

STARTED = re.compile(r"(\d+)/(\d+)epoch started")
BATCH = re.compile(r"(\d+)epoch:train:(\d+)-(\d+)batch: (.*)")
RESULTS = re.compile(r"(\d+)epoch results: (.*)")
ITERATIONS = re.compile(r"^num_iters_per_epoch: (\d+)$", re.MULTILINE)
LOSS = re.compile(r"\b(?:generator_|valid_)?loss=[^, ]+")
BAR = re.compile(r"\d+%\|.*\[.*\]")
ENDED = re.compile(r"^# Ended \(code (\d+)\)", re.MULTILINE)


class Tail:
    """Follow the lines that are added to a file from now on.

    Args:
        path: the file; it may not be there yet, and may be replaced by a new one.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rest = ""
        there = path.stat() if path.is_file() else None
        self.file, self.position = (there.st_ino, there.st_size) if there else (0, 0)

    def lines(self) -> Iterator[str]:
        """Yield each finished line, or state of a bar, once."""
        if not self.path.is_file():
            return
        now = self.path.stat()
        if now.st_ino != self.file or now.st_size < self.position:
            self.file, self.position, self.rest = now.st_ino, 0, ""
        with self.path.open("rb") as stream:
            stream.seek(self.position)
            text = stream.read().decode("utf-8", errors="replace")
            self.position = stream.tell()
        *finished, self.rest = re.split(r"[\r\n]", self.rest + text)
        yield from finished


class TrainingBar:
    """Draw a bar over the epochs of an ESPnet training, from the lines of its log.

    Args:
        name: what stands before the bar.
        log: the log; `config.yaml` beside it says how many batches an epoch has.
    """

    def __init__(self, name: str, log: Path):
        self.name = name
        self.config = log.with_name("config.yaml")
        self.bar: tqdm | None = None
        self.batches = 0
        self.last_batch = 0

    def feed(self, line: str) -> bool:
        """Take one line; return whether it was about the training."""
        if match := STARTED.search(line):
            self._start(int(match[1]), int(match[2]))
        elif match := BATCH.search(line):
            self.last_batch = int(match[3])
            done = self.last_batch / self.batches if self.batches else 0
            self._show(int(match[1]) - 1 + min(done, 1), match[4])
        elif match := RESULTS.search(line):
            # What the configuration says of a chunk iterator is no number of batches.
            self.batches = self.last_batch or self.batches
            self._show(int(match[1]), match[2])
        else:
            return False
        return True

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()

    def _start(self, epoch: int, max_epoch: int) -> None:
        if self.bar is not None:
            return
        if self.config.is_file():
            found = ITERATIONS.search(self.config.read_text(encoding="utf-8"))
            self.batches = int(found[1]) if found else 0
        self.bar = tqdm(
            total=max_epoch,
            initial=epoch - 1,
            desc=self.name,
            unit="epoch",
            **pace(),
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.2f}/{total} epochs"
            " [{elapsed}<{remaining}]{postfix}",
        )

    def _show(self, epochs: float, message: str) -> None:
        if self.bar is None:
            return
        if losses := LOSS.findall(message):
            self.bar.set_postfix_str(" ".join(losses[:2]), refresh=False)
        self.bar.update(max(epochs - self.bar.n, 0))


def pace() -> dict[str, float]:
    """Settings of a bar: drawn often on a terminal, now and then into a file."""
    return {"mininterval": 0.5 if sys.stderr.isatty() else 15, "miniters": 0}


class Show:
    """Draw what is on the screen while a command runs.

    Args:
        name: what stands before the bar.
        logs: the log of each job.
    """

    def __init__(self, name: str, logs: list[Path]):
        self.logs = logs
        self.training = TrainingBar(name, logs[0])
        self.jobs: tqdm | None = None
        if len(logs) > 1:
            self.jobs = tqdm(total=len(logs), desc=name, unit="job", **pace())
        self.terminal = sys.stderr.isatty()
        self.last = time.monotonic()

    def update(self, lines: Iterable[str]) -> None:
        """Take the new lines of the first log, and look at the ends of all."""
        if self.jobs is not None:
            ended = sum(bool(ENDED.search(end_of(path, 3))) for path in self.logs)
            self.jobs.update(max(ended - self.jobs.n, 0))
        for line in lines:
            if not self.training.feed(line) and self.jobs is None and BAR.search(line):
                self._pass_on(line)

    def close(self) -> None:
        """Leave the bars as they are."""
        self.training.close()
        if self.jobs is not None:
            self.jobs.close()

    def _pass_on(self, line: str) -> None:
        if self.terminal:
            sys.stderr.write(f"\r{line}")
        elif time.monotonic() - self.last > 15:
            sys.stderr.write(f"{line}\n")
            self.last = time.monotonic()


def job_logs(log: str, jobs: int) -> list[Path]:
    """List the logs of an array: JOB stands for 1 to `jobs`."""
    return [Path(log.replace("JOB", str(job))) for job in range(1, jobs + 1)]


def end_of(path: Path, count: int = 25) -> str:
    """Return the last lines of a log."""
    if not path.is_file():
        return f"(no log {path})\n"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(line.rsplit("\r", 1)[-1] for line in lines[-count:]) + "\n"


def failed_log(logs: list[Path]) -> Path:
    """Find the first log whose job failed, else the first one unfinished."""
    unfinished = logs[0]
    for log in reversed(logs):
        text = (
            log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        )
        ended = ENDED.findall(text)
        if not ended:
            unfinished = log
        elif ended[-1] != "0":
            return log
    return unfinished


def watch(name: str, log: str, jobs: int, command: list[str]) -> int:
    """Run the command and show its progress.

    Args:
        name: what stands before the bar.
        log: log file that the command writes; for more than one job it holds JOB.
        jobs: the number of jobs in the array.
        command: the command and its arguments.

    Returns:
        The command's exit code.
    """
    logs = job_logs(log, jobs)
    logs[0].parent.mkdir(parents=True, exist_ok=True)
    tail = Tail(logs[0])
    show = Show(name, logs)
    parent = os.getppid()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True
        )
        signal.signal(signal.SIGTERM, lambda *_: os.killpg(process.pid, signal.SIGTERM))
        try:
            while process.poll() is None:
                time.sleep(0.5)
                show.update(tail.lines())
                if os.getppid() != parent:  # killed: nothing waits for the job
                    os.killpg(process.pid, signal.SIGTERM)
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
        show.update(tail.lines())
        show.close()
        if process.returncode:
            output.seek(0)
            lines = output.read().decode("utf-8", errors="replace").splitlines()
            failed = failed_log(logs)
            # ESPnet's launcher repeats the log; without a log it says why.
            message = end_of(failed) if failed.is_file() else "\n".join(lines[-25:])
            sys.stderr.write(f"\n{message}\n{name} failed; its log is {failed}\n")
    return process.returncode


def main() -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True, help="what stands before the bar")
    parser.add_argument("--log", required=True, help="log that the command writes")
    parser.add_argument("--jobs", type=int, default=1, help="jobs in the array")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    return watch(args.name, args.log, args.jobs, args.command)


if __name__ == "__main__":
    sys.exit(main())
