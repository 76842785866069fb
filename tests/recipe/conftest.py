"""Tiny data directories and the recipe's scripts, for this room."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "egs2/TEMPLATE/speechtok1"
sys.path.insert(0, str(TEMPLATE / "scripts"))


@pytest.fixture
def template():
    return TEMPLATE


@pytest.fixture
def script():
    """Run a script of the template: (exit code, everything it said)."""

    def run(name, *args, cwd=None):
        path = TEMPLATE / name
        command = [sys.executable, str(path)] if path.suffix == ".py" else [str(path)]
        done = subprocess.run(
            [*command, *map(str, args)],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture
def tone():
    """Make a sine (N,) of some seconds, rate and pitch."""

    def make(seconds=1.0, rate=16000, hz=440.0):
        time = np.arange(int(seconds * rate)) / rate
        return 0.3 * np.sin(2 * np.pi * hz * time)

    return make


@pytest.fixture
def data_dir(tmp_path, tone):
    """Four utterances of two speakers, of 1 to 4 seconds, with phones."""
    directory = tmp_path / "data"
    directory.mkdir()
    keys = ["a-1", "a-2", "b-1", "b-2"]
    tables = {"wav.scp": [], "text": [], "utt2spk": [], "phones": [], "phones.ctm": []}
    for number, key in enumerate(keys, 1):
        path = directory / f"{key}.wav"
        soundfile.write(path, tone(number), 16000)
        tables["wav.scp"].append(f"{key} {path}")
        tables["text"].append(f"{key} SENTENCE NUMBER {number}")
        tables["utt2spk"].append(f"{key} {key[0]}")
        tables["phones"].append(f"{key} AH B")
        tables["phones.ctm"] += [f"{key} 1 0.00 0.50 AH", f"{key} 1 0.50 0.50 B"]
    for name, lines in tables.items():
        (directory / name).write_text("".join(f"{line}\n" for line in lines))
    return directory
