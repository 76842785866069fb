"""Data preparation of LibriSpeech, on a tree of its layout; fetching by file URLs."""

import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from data_dir import read_data_dir

RECIPE = Path(__file__).resolve().parents[2] / "egs2/librispeech/speechtok1"


@pytest.fixture
def corpus(tmp_path):
    """Parts a (four readers) and b (one), transcripts in b only."""
    root = tmp_path / "LibriSpeech"
    for part, readers in (("a", ["10", "11", "12", "9"]), ("b", ["7"])):
        for reader in readers:
            chapter = root / part / reader / "55"
            chapter.mkdir(parents=True)
            keys = [f"{reader}-55-000{number}" for number in range(2)]
            for key in keys:
                soundfile.write(chapter / f"{key}.flac", np.zeros(160), 16000)
            if part == "b":
                lines = "".join(f"{key} WORDS OF {key}\n" for key in keys)
                (chapter / f"{reader}-55.trans.txt").write_text(lines)
    return root


def prepare(corpus, output, *options):
    """Run stage 1: (exit code, what it said)."""
    done = subprocess.run(
        ["local/data.sh", "--output_dir", str(output), *options],
        cwd=RECIPE,
        env=os.environ | {"LIBRISPEECH": str(corpus)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_parts_become_data_directories(corpus, tmp_path):
    out = tmp_path / "data"
    options = ["--train", "a", "--valid_speakers", "1", "--test", "b"]
    code, said = prepare(corpus, out, *options)
    assert code == 0, said
    train, dev = read_data_dir(out / "train"), read_data_dir(out / "dev")
    assert len(train["wav.scp"]) == 6 and len(dev["wav.scp"]) == 2
    assert set(train["utt2spk"].values()).isdisjoint(dev["utt2spk"].values())
    assert "text" not in train
    test = read_data_dir(out / "test")
    assert test["text"] == {f"7-55-000{n}": f"WORDS OF 7-55-000{n}" for n in range(2)}
    assert test["utt2spk"] == {f"7-55-000{n}": "7" for n in range(2)}
    assert all(Path(path).is_file() for path in test["wav.scp"].values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train", "c"], "no .flac files in"),
        (["--valid_speakers", "4"], "cannot hold out 4 of 4 speakers"),
        (["--train", "a,b"], "8 of 10 utterances have no transcript"),
        (["--training", "a"], "unknown option --training"),
        (["--train"], "--train needs a value"),
    ],
)
def test_what_cannot_be_prepared_is_refused(corpus, tmp_path, options, message):
    common = ["--train", "a", "--valid", "b", "--test", "b"]
    code, said = prepare(corpus, tmp_path / "data", *common, *options)
    assert code != 0 and message in said


def test_missing_parts_are_fetched(corpus, tmp_path):
    """In a copy of the recipe, for its downloads lie in it."""
    for part in ("a", "b"):
        with tarfile.open(tmp_path / f"{part}.tar.gz", "w:gz") as archive:
            archive.add(corpus / part, f"LibriSpeech/{part}")
    work = tmp_path / "speechtok1"
    work.mkdir()
    for name in ("local", "db.sh", "scripts", "utils"):
        (work / name).symlink_to((RECIPE / name).resolve())
    command = ["local/data.sh", "--url", f"file://{tmp_path}", "--train", "a"]
    command += ["--valid", "b", "--test", "b", "--output_dir", str(tmp_path / "data")]
    for _ in range(2):  # the second time all is there
        subprocess.run(command, cwd=work, check=True)
        (tmp_path / "a.tar.gz").unlink(missing_ok=True)
    assert len(read_data_dir(tmp_path / "data/train")["wav.scp"]) == 8
    assert not (work / "downloads/a.tar.gz").exists()


def write_languages(root):
    """Lay out three utterances of MLS German and of AISHELL-3."""
    german, mandarin = root / "mls_german", root / "data_aishell3"
    lines = {"de": [], "zh": []}
    for number in range(3):
        key = f"10_20_00000{number}"
        path = german / "test/audio/10/20" / f"{key}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(160), 16000)
        lines["de"].append(f"{key}\tworte von {number}")
        name = f"SSB0005000{number}.wav"
        path = mandarin / "test/wav/SSB0005" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(160), 44100)
        lines["zh"].append(f"{name}\t广 guang3 州 zhou1")
    (german / "test/transcripts.txt").write_text("\n".join(lines["de"]))
    (mandarin / "test/content.txt").write_text("\n".join(lines["zh"]), "utf-8")
    return {"MLS_GERMAN": str(german), "AISHELL3": str(mandarin)}


def test_other_languages_where_db_sh_names_them(corpus, tmp_path, monkeypatch):
    for name, value in write_languages(tmp_path).items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "data"
    options = [
        "--train",
        "a",
        "--valid_speakers",
        "1",
        "--test",
        "b",
        "--other_utts",
        "2",
    ]
    code, said = prepare(corpus, out, *options)
    assert code == 0, said
    german, mandarin = read_data_dir(out / "test_de"), read_data_dir(out / "test_zh")
    assert german["text"] == {f"10_20_00000{n}": f"worte von {n}" for n in (0, 1)}
    assert set(german["utt2spk"].values()) == {"10"}
    assert mandarin["text"] == {f"SSB0005000{n}": "广州" for n in (0, 1)}
    assert set(mandarin["utt2spk"].values()) == {"SSB0005"}
    for tables in (german, mandarin):
        assert all(Path(path).is_file() for path in tables["wav.scp"].values())


def test_a_corpus_of_another_layout_is_refused(corpus, tmp_path, monkeypatch):
    languages = write_languages(tmp_path)
    (tmp_path / "mls_german/test/audio/10/20/10_20_000000.flac").unlink()
    for name, message in (
        ("MLS_GERMAN", "10_20_000000.flac"),
        ("AISHELL3", "content.txt is missing: does the corpus"),
    ):
        path = languages[name] if name == "MLS_GERMAN" else str(tmp_path)
        monkeypatch.setenv(name, path)
        code, said = prepare(corpus, tmp_path / "data", "--train", "a")
        assert code == 1 and message in said
        monkeypatch.delenv(name)
