"""Tokenizing a corpus: segments, batches by length, jobs, kills, both formats."""

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile
import torch

from espnet_st.bin.tokenize import main as tokenize
from espnet_st.codes import CodesReader
from espnet_st.data.batching import batches
from espnet_st.data.corpus import Utterance, read_ahead, read_corpus
from espnet_st.inference.tokenization import tokenize_set


@pytest.fixture
def corpus(exp, tmp_path):
    """Options for a set of segments of two recordings, one of them a pipe."""
    rng = np.random.default_rng(0)
    for name, rate in (("a.flac", 16000), ("b.wav", 22050)):
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(4 * rate), rate)
    (tmp_path / "wav.scp").write_text(
        f"a {tmp_path / 'a.flac'}\nb cat {tmp_path / 'b.wav'} |\n"
    )
    starts = rng.uniform(0, 3, 150)
    lines = [
        f"u{i:03} {'ab'[i % 40 == 0]} {start:.3f} {start + 0.02 + i / 400:.3f}\n"
        for i, start in enumerate(starts)
    ]
    (tmp_path / "segments").write_text("".join(lines))
    command = ["--codec", str(exp), "--wav_scp", str(tmp_path / "wav.scp")]
    return [*command, "--segments", str(tmp_path / "segments")]


def codes_in(directory):
    return dict(CodesReader(directory / "codes.scp"))


def equal(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key]) for key in one
    )


def test_batching_jobs_and_format_change_no_code(corpus, codec, tmp_path):
    whole = tmp_path / "whole"
    tokenize([*corpus, "--output_dir", str(whole)])
    made = codes_in(whole)
    assert len(made) == 150 and (whole / "skipped.txt").read_text() == ""
    audio, _ = soundfile.read(tmp_path / "a.flac", dtype="float32")
    _, _, start, end = (tmp_path / "segments").read_text().splitlines()[121].split()
    part = audio[round(float(start) * 16000) : round(float(end) * 16000)]
    assert torch.equal(made["u121"], codec.encode(part))

    packed = tmp_path / "packed"
    tokenize([*corpus, "--output_dir", str(packed), "--format", "packed"])
    assert equal(codes_in(packed), made)
    tokenize([*corpus, "--output_dir", str(tmp_path / "single"), "--batch_size", "1"])
    assert equal(codes_in(tmp_path / "single"), made)
    parts = {}
    for job in "123":
        out = tmp_path / "jobs" / job
        options = ["--batch_bins", "9000", "--nj", "3", "--job", job]
        tokenize([*corpus, "--output_dir", str(out), *options])
        assert not parts.keys() & codes_in(out).keys()
        parts |= codes_in(out)
    assert equal(parts, made)


@pytest.mark.parametrize(
    "packed", [[], ["--format", "packed"]], ids=["kaldi", "packed"]
)
def test_kill_9_loses_nothing_that_is_in_the_index(corpus, packed, tmp_path):
    out = tmp_path / "out"
    command = [*corpus, "--output_dir", str(out), "--batch_size", "1", *packed]
    wav_scp, fast = tmp_path / "wav.scp", tmp_path / "fast"
    lines = wav_scp.read_text().replace("a ", f"a [ -e {fast} ] || sleep 0.05; cat ")
    wav_scp.write_text(lines.replace("flac", "flac |"))
    process = subprocess.Popen(
        [sys.executable, "-m", "espnet_st.bin.tokenize", *command],
        stderr=subprocess.DEVNULL,
    )
    scp = out / "codes.scp"
    while process.poll() is None and not (scp.exists() and scp.stat().st_size > 1000):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    fast.touch()
    found = codes_in(out)
    assert 3 < len(found) < 150
    archive = (out / ("codes.packed" if packed else "codes.ark")).read_bytes()
    tokenize(command)
    whole = tmp_path / "whole"
    tokenize([*corpus, "--output_dir", str(whole)])
    assert equal(codes_in(out), codes_in(whole))
    after = (out / ("codes.packed" if packed else "codes.ark")).read_bytes()
    assert after.startswith(archive)  # nothing was made again


def test_what_was_skipped_is_reported_with_the_reason(exp, tmp_path, caplog, capsys):
    def wav(name, samples, rate=16000):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, np.asarray(samples), rate, subtype="FLOAT")
        return path

    rng = np.random.default_rng(0)
    paths = {
        "clipped": wav("clipped", np.clip(9 * rng.standard_normal(999), -1, 1)),
        "empty": wav("empty", []),
        "inf": wav("inf", [0.0, np.inf]),
        "nan": wav("nan", [np.nan, 0.0]),
        "one": wav("one", [0.5]),
        "silent": wav("silent", np.zeros(640)),
        "stereo": wav("stereo", 0.1 * rng.standard_normal((700, 2)), 44100),
        "truncated": wav("truncated", np.zeros(900)),
        "zmissing": tmp_path / "zmissing.wav",
    }
    paths["truncated"].write_bytes(paths["truncated"].read_bytes()[:-1000])
    scp = tmp_path / "wav.scp"
    scp.write_text("".join(f"{key} {path}\n" for key, path in paths.items()))
    out = tmp_path / "out"
    command = ["--codec", str(exp), "--wav_scp", str(scp), "--output_dir", str(out)]
    with caplog.at_level(logging.WARNING):
        tokenize(command)
    made = {key: codes.shape[1] for key, codes in codes_in(out).items()}
    assert made == {"clipped": 4, "one": 1, "silent": 2, "stereo": 1}
    lines = (out / "skipped.txt").read_text().splitlines()
    reasons = dict(line.split(" ", 1) for line in lines)
    assert sorted(reasons) == ["empty", "inf", "nan", "truncated", "zmissing"]
    for key, reason in (("empty", "not empty"), ("inf", "infinite"), ("nan", "NaN")):
        assert reason in reasons[key]
    assert "truncated: " in reasons["truncated"] and "No such" in reasons["zmissing"]
    assert re.search(r"9/9 .* 0\.00 h, [\d.]+ h/h", capsys.readouterr().err)
    assert "4 items done, 5 skipped: empty inf nan truncated zmissing" in caplog.text
    scp.write_text(f"only {paths['nan']}\n")
    with pytest.raises(ValueError, match="all 1 items were skipped: only"):
        tokenize([*command[:-1], str(tmp_path / "nothing")])


def test_batches_keep_to_both_budgets():
    rng = np.random.default_rng(0)
    items = [int(size) for size in rng.integers(1, 100, 300)] + [900, 0, 0]
    made = list(batches(items, int, 8, 400))
    assert sorted(sum(made, [])) == sorted(items)
    assert [900] in made and max(map(len, made)) == 8
    assert all(max(batch) * len(batch) <= 400 for batch in made if batch != [900])
    # A batch is closed only when the next item would not fit.
    for batch, following in zip(made, made[1:]):
        assert len(batch) == 8 or batch[0] * (len(batch) + 1) > 400, following


def test_reading_ahead_is_bounded_and_passes_errors_on():
    begun, release = [], threading.Event()

    def read(item):
        begun.append(item)
        if item == 0:
            release.wait(10)
        if item == 7:
            raise OSError("disk")
        return -item

    results = read_ahead(iter(range(9)), read, 3)
    threading.Timer(0.2, release.set).start()
    assert next(results) == 0
    assert max(begun) <= 3
    assert [next(results) for _ in range(6)] == [-1, -2, -3, -4, -5, -6]
    with pytest.raises(OSError, match="disk"):
        next(results)


def test_an_error_while_encoding_ends_the_run(codec, corpus, tmp_path, monkeypatch):
    utterances = read_corpus(tmp_path / "wav.scp", tmp_path / "segments")

    def broken(wavs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(codec, "encode_batch", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        tokenize_set(codec, utterances, tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u a 0", "expected 'recording start end'"),
        ("u a zero 1", "expected 'recording start end'"),
        ("u c 0 1", "u is of c, not in"),
        ("u a 1 1", r"from 1\.0 s to 1\.0 s"),
        ("u a -1 1", r"from -1\.0 s"),
        ("u a nan 1", "from nan s"),
    ],
)
def test_wrong_segments_are_refused(line, message, tmp_path):
    (tmp_path / "wav.scp").write_text("a a.wav\n")
    (tmp_path / "segments").write_text(f"{line}\n")
    with pytest.raises(ValueError, match=message):
        read_corpus(tmp_path / "wav.scp", tmp_path / "segments")
    (tmp_path / "segments").write_text("u a 0.5 -1\n")
    assert read_corpus(tmp_path / "wav.scp", tmp_path / "segments") == {
        "u": Utterance("a.wav", 0.5)
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--nj", "2", "--job", "3"], "--job is 3; expected 1 to --nj, 2"),
        (["--num_workers", "0"], "--num_workers is 0; expected at least 1"),
    ],
)
def test_wrong_options_are_refused(options, message, tmp_path, capsys):
    command = ["--codec", "x", "--wav_scp", "y", "--output_dir", str(tmp_path)]
    with pytest.raises(SystemExit):
        tokenize([*command, *options])
    assert message in capsys.readouterr().err
