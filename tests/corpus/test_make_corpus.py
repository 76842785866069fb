"""The smoke corpus through data.sh: what is written, resumed and repeated."""

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

RECIPE = Path(__file__).resolve().parents[2] / "egs2/mini/speechtok1"
FILES = ("wav.scp", "text", "utt2spk", "phones", "spk2utt", "phones.ctm")


def make(out, *more):
    command = ["local/data.sh", "--smoke", "true", "--python", sys.executable]
    command += ["--output_dir", str(out), *more]
    return subprocess.run(
        command, cwd=RECIPE, capture_output=True, text=True, check=False
    )


def rows(path):
    return [line.split(maxsplit=1) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = tmp_path_factory.mktemp("mini") / "data"
    done = make(out)
    assert done.returncode == 0, done.stderr
    return out


def test_sets_are_sorted_complete_and_disjoint(corpus):
    texts, speakers = {}, {}
    for name in ("train", "dev", "test"):
        tables = {file: rows(corpus / name / file) for file in FILES}
        keys = [key for key, _ in tables["wav.scp"]]
        assert keys == sorted(set(keys))
        for file in ("text", "utt2spk", "phones"):
            assert [key for key, _ in tables[file]] == keys
        assert {key for key, _ in tables["phones.ctm"]} == set(keys)
        assert all(key.startswith(speaker) for key, speaker in tables["utt2spk"])
        texts[name] = {text for _, text in tables["text"]}
        speakers[name] = {speaker for speaker, _ in tables["spk2utt"]}
        assert min(len(utts.split()) for _, utts in tables["spk2utt"]) >= 2
    assert speakers["dev"] == speakers["train"]
    assert len(speakers["test"]) >= 2 and not speakers["test"] & speakers["train"]
    assert sum(map(len, texts.values())) == len(set().union(*texts.values()))
    lines = set((corpus / "lm/sentences.txt").read_text().splitlines())
    assert texts["train"] <= lines and not texts["test"] & lines


def test_phone_times_end_with_the_wav(corpus):
    wavs = dict(rows(corpus / "test/wav.scp"))
    phones = dict(rows(corpus / "test/phones"))
    timed = {}
    for key, rest in rows(corpus / "test/phones.ctm"):
        timed.setdefault(key, []).append(rest.split())
    for key, path in wavs.items():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (16000, 1)
        begin, length = map(float, timed[key][-1][1:3])
        assert begin + length == pytest.approx(info.duration, abs=0.001)
        spoken = [phone for _, _, _, phone in timed[key] if phone != "SIL"]
        assert phones[key].split() == spoken


def test_an_interrupted_run_makes_only_what_is_missing(corpus):
    wavs = {Path(path) for _, path in rows(corpus / "dev/wav.scp")}
    gone = sorted(wavs)[0]
    before = {path: path.stat().st_mtime_ns for path in wavs}
    content = gone.read_bytes()
    gone.unlink()
    done = make(corpus)
    assert done.returncode == 0, done.stderr
    assert gone.read_bytes() == content
    again = [path for path in wavs if path.stat().st_mtime_ns != before[path]]
    assert {path.parent for path in again} == {gone.parent}


def test_the_same_seed_gives_the_same_corpus(corpus, tmp_path):
    assert make(tmp_path / "data").returncode == 0
    for name in ("train", "test"):
        for file in ("text", "phones.ctm"):
            first, second = (base / name / file for base in (corpus, tmp_path / "data"))
            assert first.read_text() == second.read_text()
    for key, path in rows(corpus / "test/wav.scp"):
        again = dict(rows(tmp_path / "data/test/wav.scp"))[key]
        assert Path(path).read_bytes() == Path(again).read_bytes()


def test_wrong_options_are_named(tmp_path):
    done = make(tmp_path, "--colour", "red")
    assert done.returncode == 1 and "unknown option --colour" in done.stderr
    assert (
        "where data/<set>, data/wav and data/lm go [data]"
        in make(tmp_path, "--help").stdout
    )
