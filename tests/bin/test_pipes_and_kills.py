"""The command in processes of its own: through pipes, and killed."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_st.bin import cli

SMALL = Path(__file__).resolve().parents[1] / "trained"
COMMAND = [sys.executable, "-m", "espnet_st.bin.cli"]


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("ESPNET_ST_MODEL", str(SMALL / "codec.zip"))


def test_a_pipe_of_two_gives_what_the_codec_gives(
    environment, trained, prompts, tmp_path
):
    wav, rate = soundfile.read(prompts[0], dtype="float32")
    sent = io.BytesIO()
    soundfile.write(sent, wav, rate, format="WAV", subtype="FLOAT")
    first = subprocess.Popen(
        [*COMMAND, "tokenize", "-", "-o", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    out = tmp_path / "out.wav"
    second = subprocess.Popen(
        [*COMMAND, "resynthesize", "-", "-o", str(out)],
        stdin=first.stdout,
        stdout=subprocess.PIPE,
    )
    first.stdout.close()
    first.communicate(sent.getvalue())
    assert second.communicate()[0] == b""
    assert (first.returncode, second.returncode) == (0, 0)
    found, found_rate = soundfile.read(out, dtype="float32")
    assert found_rate == trained.sample_rate
    expected = trained.decode(trained.encode(wav, rate)).numpy()
    np.testing.assert_allclose(found, np.clip(expected, -1, 1), atol=1 / 2**15)


def test_a_killed_run_goes_on_and_leaves_whole_files_only(
    environment, trained, tmp_path
):
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(80):
        wav = 0.1 * rng.standard_normal(8000 + 100 * number)
        soundfile.write(tmp_path / f"in/{number:02}.wav", wav, 16000)
    out, options = tmp_path / "out", ["--batch_size", "1", "--num_workers", "1"]
    words = ["tokenize", str(tmp_path / "in"), "-o", str(out), *options]
    process = subprocess.Popen([*COMMAND, *words], stderr=subprocess.DEVNULL)
    while process.poll() is None and len([*out.glob("*.npy")]) < 3:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    assert 3 <= len(before) < 80
    assert all(np.load(path).shape[0] == 8 for path in before)
    assert cli.main(words) == 0
    assert len([*out.glob("*.npy")]) == 80
    assert all(path.stat().st_mtime_ns == before[path] for path in before)
    for number in (0, 41, 79):
        wav, rate = soundfile.read(tmp_path / f"in/{number:02}.wav", dtype="float32")
        codes = np.load(out / f"{number:02}.npy")
        assert np.array_equal(codes, trained.encode(wav, rate).numpy())
