"""Packed models work from their zips alone: another home, another directory.

The small trained models are packed in one process; another one, whose home is empty,
loads the zips with our classes and with ESPnet's own.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TRAINED = ROOT / "tests/trained"
PROMPT = "sltx-test-0001"


def run(*command, home, cwd):
    home.mkdir()
    names = ("PATH", "PYTHONPATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    keep = {name: os.environ[name] for name in names if name in os.environ}
    keep["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=keep | {"HOME": str(home), "HF_HUB_OFFLINE": "1"},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Where the zips were made."""
    work = tmp_path_factory.mktemp("makers")
    run(HERE / "pack_trained.py", TRAINED, work, home=work / "home", cwd=work)
    return work


@pytest.fixture(scope="module")
def report(packed, tmp_path_factory):
    """What a process found that has the zips and a prompt, and nothing else."""
    work = tmp_path_factory.mktemp("users")
    for kind in ("codec", "uslm", "asr"):
        shutil.copy(packed / f"{kind}.zip", work)
    shutil.copy(HERE / "speak_packed.py", work)
    shutil.copy(TRAINED / f"prompts/{PROMPT}.flac", work / "prompt.flac")
    lines = (TRAINED / "prompts/text").read_text().splitlines()
    words = dict(line.split(" ", 1) for line in lines)[PROMPT]
    (work / "prompt.txt").write_text(words)
    kept = packed.rename(packed.with_name("gone"))
    try:
        run(work / "speak_packed.py", work, home=work / "home", cwd="/")
    finally:
        kept.rename(packed)
    found = json.loads((work / "report.json").read_text())
    found["work"] = str(work)
    return found


def test_the_packed_uslm_speaks(report):
    ours = report["ours"]
    assert ours["seconds"] == pytest.approx(ours["frames"])
    assert 0.8 < ours["seconds"] < 6, "five words"
    assert 0.01 < ours["rms"] < 0.3 and not ours["truncated"]


def test_espnets_own_class_speaks_too(report):
    stock = report["stock"]
    assert 0.4 < stock["seconds"] < 8 and 0.01 < stock["rms"] < 0.3
    assert stock["books"] == f"{report['unpacked']}/codebooks.npy"


def test_espnets_own_codec_has_our_codes(report):
    assert report["codec"] > 0.99


def test_espnets_own_recogniser_hears_with_the_codec_inside(report, packed):
    asr = report["asr"]
    assert asr["n_q"] == 8
    assert asr["sums"] == (packed / "sums.txt").read_text()
    for name, inside in (
        ("codec", "asr_model/codec/config.yaml"),
        ("bpemodel", "asr_model/bpemodel.model"),
    ):
        assert asr[name].endswith(f"/{inside}")
        assert "espnet_model_zoo" in asr[name], "where ESPnet unpacked it"


def test_nothing_but_the_zips_was_read(report, packed):
    for path in report["opened"]:
        for place in (ROOT / "egs2", ROOT / "tests", packed, packed.with_name("gone")):
            assert not path.startswith(f"{place}/"), path
    assert any(path.startswith(report["work"]) for path in report["opened"])


@pytest.mark.parametrize("kind", ["codec", "uslm", "asr"])
def test_no_zip_names_the_machine(packed, kind):
    content = (packed / f"{kind}.zip").read_bytes()
    for place in (packed, packed.parent, ROOT, Path.home()):
        assert f"{place}/".encode() not in content
    with zipfile.ZipFile(packed / f"{kind}.zip") as archive:
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}
