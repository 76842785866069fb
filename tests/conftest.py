"""What all rooms' tests share: the end-to-end run, and its place among them."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def has_bfloat16(monkeypatch):
    """A processor with instructions for bfloat16; torch imitates them if need be."""
    from espnet_st.kernels import processor
    from espnet_st.uslm import precision

    monkeypatch.setattr(processor, "has_bfloat16", lambda: True)
    precision._computes_in_half.cache_clear()
    yield
    precision._computes_in_half.cache_clear()


@pytest.fixture(scope="session")
def smoke_command():
    """Gives `run.sh --smoke true` with its data/, dump/ and exp/ in a directory."""

    def command(work, *options):
        given = [str(ROOT / "egs2/mini/st1/run.sh"), "--smoke", "true"]
        for name in ("data", "dump", "exp"):
            given += [f"--{name}dir", str(work / name)]
        return [*given, "--baseline", "true", *options]

    return command


def stop_when(path, command, log, **options):
    """Start a command and stop it, with all that it started, once `path` is there."""
    with log.open("w") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=said, start_new_session=True, **options
        )
        while process.poll() is None and not path.exists():
            time.sleep(0.1)
        stopped = process.poll() is None
        if stopped:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
    assert stopped, log.read_text(errors="replace")[-6000:]


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory, smoke_command):
    """The directory with data/, dump/ and exp/ of one `run.sh --smoke true`.

    It is stopped while the teacher trains, and started again.
    """
    work = tmp_path_factory.mktemp("smoke")
    command = smoke_command(work)
    # Not in the recipe's directory: it must not matter.
    where = dict(cwd=work, env=os.environ | {"OMP_NUM_THREADS": "2"})
    stop_when(work / "exp/teacher/train.log", command, work / "stopped.log", **where)
    log = work / "run.log"
    with log.open("w") as said:
        done = subprocess.run(command, stdout=said, stderr=said, check=False, **where)
    assert done.returncode == 0, log.read_text(errors="replace")[-6000:]
    return work
