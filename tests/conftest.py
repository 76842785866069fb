"""What the tests of several rooms share: a tiny codec, and the end-to-end run."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from tiny import CODEC, save_experiment

from espnet_st.codec.generator import Generator
from espnet_st.inference.audio_coding import AudioCoding

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def exp(tmp_path_factory):
    """An experiment directory as ESPnet leaves it."""
    directory = tmp_path_factory.mktemp("exp")
    torch.manual_seed(0)
    generator = Generator(**CODEC).train()
    generator.quantizer(generator.encoder(torch.randn(4, 1, 8000)))
    conf = CODEC | {"lambda_mel": 3.0}  # of training: passed over
    save_experiment(directory, generator, conf, "train.total_count.best.pth")
    return directory


@pytest.fixture(scope="session")
def codec(exp):
    return AudioCoding.from_pretrained(exp)


@pytest.fixture
def has_bfloat16(monkeypatch):
    """A processor with instructions for bfloat16; torch imitates them if need be."""
    from espnet_st.kernels import processor
    from espnet_st.uslm import autocast

    monkeypatch.setattr(processor, "has_bfloat16", lambda: True)
    autocast._computes_in_half.cache_clear()
    yield
    autocast._computes_in_half.cache_clear()


@pytest.fixture(scope="session")
def smoke_command():
    """Gives `run.sh --smoke true` with its data/, dump/ and exp/ in a directory."""

    def command(work, *options):
        given = [str(ROOT / "egs2/mini/speechtok1/run.sh"), "--smoke", "true"]
        for name in ("data", "dump", "exp"):
            given += [f"--{name}dir", str(work / name)]
        systems = str(ROOT / "tests/recipe/systems_smoke.yaml")
        return [*given, "--systems", systems, *options]

    return command


def stop_when(path, command, log, **options):
    """Start a command and stop it, with all that it started, once `path` is there."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, **options
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
    with log.open("w") as output:
        done = subprocess.run(
            command, stdout=output, stderr=output, check=False, **where
        )
    assert done.returncode == 0, log.read_text(errors="replace")[-6000:]
    return work
