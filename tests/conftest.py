"""What all rooms' tests share: the end-to-end run, and its place among them."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory):
    """The directory with data/, dump/ and exp/ of one `run.sh --smoke true`."""
    work = tmp_path_factory.mktemp("smoke")
    command = [str(ROOT / "egs2/mini/st1/run.sh"), "--smoke", "true"]
    command += ["--baseline", "true"]
    for name in ("data", "dump", "exp"):
        command += [f"--{name}dir", str(work / name)]
    done = subprocess.run(
        command,
        cwd=work,  # not the recipe's directory: it must not matter
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    (work / "run.log").write_text(done.stdout, encoding="utf-8")
    assert done.returncode == 0, done.stdout[-6000:]
    return work
