import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "egs2/TEMPLATE/speechtok1"
CORPORA = sorted(path.parent for path in ROOT.glob("egs2/*/speechtok1/run.sh"))


def st(*args, cwd=None):
    """Run speechtok.sh of the mini corpus: (exit code, everything it said)."""
    done = subprocess.run(
        ["./speechtok.sh", *map(str, args)],
        cwd=cwd or ROOT / "egs2/mini/speechtok1",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def options():
    text = (TEMPLATE / "speechtok.sh").read_text().split(". utils/parse_options.sh")[0]
    return re.findall(r"^([a-z_]+)=(?!\")", text, re.MULTILINE)


def test_help_prints_each_option_with_its_comment():
    code, said = st("--help")
    assert code == 0
    for name in options():
        line = next(
            line for line in said.splitlines() if line.startswith(f"  --{name} ")
        )
        assert len(line.split()) > 2, line
    assert all(f"\n  {stage}  " in said for stage in range(1, 9))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--no_such_option", "1"], "unknown option --no_such_option"),
        (["--stage"], "--stage needs a value"),
        (["--smoke", "yes"], "--smoke takes true or false, not 'yes'"),
        (["extra"], "unknown arguments: extra"),
        (["--stage", "11"], "expected numbers from 1 to 10"),
        (["--stage", "9", "--stop_stage", "9"], "packing, is reserved"),
        (["--stage", "10", "--stop_stage", "10"], "upload, is reserved"),
    ],
)
def test_wrong_use_is_refused(args, message):
    code, said = st(*args)
    assert code == 1 and message in said


@pytest.mark.parametrize(
    ("stage", "missing", "maker"),
    [
        (2, "data/train/wav.scp", 1),
        (3, "dump/raw/train/wav.scp", 2),
        (4, "dump/raw/train/wav.scp", 2),
        (5, "exp/codec_x/latest.pth", 4),
        (6, "tokens.txt", 3),
        (7, "dump/raw/test/wav.scp", 2),
        (8, "exp/codec_x/decode_rvq1_8/test/.done", 7),
    ],
)
def test_a_stage_says_which_stage_makes_what_it_lacks(tmp_path, stage, missing, maker):
    places = [f"--{name}dir={tmp_path / name}" for name in ("data", "dump", "exp")]
    places = [part for place in places for part in place.split("=")]
    code, said = st(
        "--stage", stage, "--stop_stage", stage, "--codec_tag", "x", *places
    )
    assert code == 1
    assert f"{missing} is missing: stage {maker} makes it" in said


def test_dashes_in_an_option_mean_underscores():
    code, said = st("--stop-stage", "0")
    assert code == 1 and "--stop_stage 0: expected numbers" in said


@pytest.fixture
def helper(tmp_path):
    """Run lines of bash after scripts/helpers.sh: (exit code, what they said)."""

    def run(lines):
        done = subprocess.run(
            [
                "bash",
                "-euo",
                "pipefail",
                "-c",
                f". {TEMPLATE}/scripts/helpers.sh\n{lines}",
            ],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def test_made_resumes_skips_and_starts_anew(helper, tmp_path):
    (tmp_path / "input").write_text("1\n")
    job = "made out input words || { touch out/$(ls out | wc -l) out/.done; }"
    assert helper("! made out input words && touch out/half")[0] == 0
    assert helper(f"test -e out/half; {job}")[0] == 0
    assert (tmp_path / "out/half").exists(), "an interrupted job resumes"
    code, said = helper(job)
    assert code == 0 and "out is finished: skipped" in said
    (tmp_path / "input").write_text("2\n")
    code, said = helper(job)
    assert code == 0 and "other inputs: made anew" in said
    assert not (tmp_path / "out/half").exists()


def test_gather_names_the_part_that_is_missing(helper, tmp_path):
    (tmp_path / "out/1").mkdir(parents=True)
    (tmp_path / "out/1/wav.scp").write_text("a x\n")
    code, said = helper("gather 2 out wav.scp out/wav.scp")
    assert code == 1 and "out/2/wav.scp is missing or empty" in said
    assert not (tmp_path / "out/wav.scp").exists()


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda path: path.parent.name)
def test_a_corpus_owns_little(corpus):
    lines = (corpus / "run.sh").read_text().splitlines()
    assert len(lines) <= 25
    assert lines[-1].strip() == '"$@"'
    for name in ("speechtok.sh", "utils", "scripts", "path.sh", "cmd.sh", "db.sh"):
        assert (corpus / name).is_symlink(), name
        assert (corpus / name).resolve() == TEMPLATE / name


def test_no_stage_changes_directory_or_hides_a_failure():
    for path in (TEMPLATE / "speechtok.sh", *TEMPLATE.glob("scripts/*.sh")):
        text = path.read_text()
        assert not re.search(r"^\s*cd ", text, re.MULTILINE), path
        assert "<(" not in text and ">(" not in text, path
