import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "egs2/TEMPLATE/speechtok1"
CORPORA = sorted(path.parent for path in ROOT.glob("egs2/*/speechtok1/run.sh"))


def system(directory):
    """Write a list of one system, called x."""
    path = directory / "systems.yaml"
    path.write_text(
        "- key: x\n  label: X\n  codec: {config: conf/train_speechtokenizer_mini.yaml}"
        "\n  lm: {label: L, config: conf/train_uslm.yaml}\n"
    )
    return path


def places(directory):
    """Options that put data, dump and exp into a directory."""
    names = ("data", "dump", "exp")
    return [part for name in names for part in (f"--{name}dir", directory / name)]


def st(*args, cwd=None, env=None):
    """Run speechtok.sh of the mini corpus: (exit code, everything it said)."""
    done = subprocess.run(
        ["./speechtok.sh", *map(str, args)],
        cwd=cwd or ROOT / "egs2/mini/speechtok1",
        env=os.environ | (env or {}),
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
    assert all(f"\n  {stage:<2} " in said for stage in range(1, 11))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--no_such_option", "1"], "unknown option --no_such_option"),
        (["--stage"], "--stage needs a value"),
        (["--smoke", "yes"], "--smoke takes true or false, not 'yes'"),
        (["extra"], "unknown arguments: extra"),
        (["--stage", "11"], "expected numbers from 1 to 10"),
        (["--upload", "yes"], "--upload takes true or false, not 'yes'"),
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
        (8, "exp/codec_x/decode_rvq1/test/.done", 7),
        (9, "exp/codec_x/latest.pth", 4),
        (10, "exp/codec_x.zip", 9),
    ],
)
def test_a_stage_says_which_stage_makes_what_it_lacks(tmp_path, stage, missing, maker):
    code, said = st(
        "--stage", stage, "--stop_stage", stage, "--systems", system(tmp_path),
        *places(tmp_path),
    )  # fmt: skip
    assert code == 1
    assert f"{missing} is missing: stage {maker} makes it" in said


@pytest.mark.parametrize(
    "name", ["datadir", "dumpdir", "expdir", "test_set", "teacher"]
)
@pytest.mark.parametrize("value", ["{}/exp two", "{}/a,b", "{}/it's", "{}/JOBS"])
def test_names_that_a_stage_would_trip_over_are_refused_before_stage_1(
    tmp_path, name, value
):
    value = value.format(tmp_path)
    code, said = st(*places(tmp_path), f"--{name}", value)
    assert code == 1
    assert f"'{value}' holds a blank or another character" in said
    assert "stage 1" not in said and not list(tmp_path.iterdir())


def test_names_in_the_list_of_systems_are_held_to_the_same(tmp_path):
    systems = tmp_path / "systems.yaml"
    systems.write_text("- {key: x, label: X, codec: {exp: a b}}\n")
    code, said = st("--systems", systems)
    assert code == 1 and "'a b' holds a blank or another character" in said


def test_units_need_a_teacher(tmp_path):
    systems = tmp_path / "systems.yaml"
    codec = "{config: conf/train_units.yaml, teacher: none}"
    systems.write_text(f"- {{key: x, label: X, codec: {codec}}}\n")
    code, said = st("--systems", systems)
    assert code == 1 and "x: teacher: none, but units are those of a teacher" in said


def test_names_with_other_letters_are_taken(tmp_path):
    code, said = st("--stage", 2, "--stop_stage", 2, "--datadir", tmp_path / "d-é.1_+")
    assert code == 1 and "d-é.1_+/train/wav.scp is missing: stage 1" in said


def test_a_gpu_that_is_not_there_is_refused_before_stage_1(tmp_path):
    code, said = st(*places(tmp_path), "--ngpu", 1, env={"CUDA_VISIBLE_DEVICES": ""})
    assert code == 1
    assert "--ngpu 1: PyTorch" in said and "finds no GPU here" in said
    assert "stage 1" not in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--systems", "none.yaml"], "No list of systems none.yaml"),
        (["--fs", "24000"], "train_speechtokenizer_mini.yaml is for 16000 Hz, --fs is"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_before_stage_1(tmp_path, options, message):
    code, said = st(*places(tmp_path), *options)
    assert code == 1 and message in said and "stage 1" not in said


def list_systems(tmp_path, config, *options):
    """What speechtok.sh learns of one system of mini, whose teacher is none."""
    path = tmp_path / "systems.yaml"
    codec = f"{{config: {config}, teacher: none}}"
    path.write_text(f"- key: x\n  label: X\n  codec: {codec}")
    return subprocess.run(
        [sys.executable, "scripts/systems.py", "list", *options, path],
        cwd=ROOT / "egs2/mini/speechtok1",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("config", "teacher"),
    [("train_speechtokenizer_mini.yaml", "none"), ("train_encodec.yaml", "''")],
)
def test_only_a_codec_that_takes_a_teacher_gets_its_options(tmp_path, config, teacher):
    """ESPnet's own codecs refuse `lambda_distill`."""
    done = list_systems(tmp_path, f"conf/{config}")
    assert f"declare -A distilled_from=([x]={teacher})" in done.stdout, done.stderr


def test_the_rate_of_espnets_own_codec_is_held_to_the_recipes(tmp_path):
    done = list_systems(tmp_path, "conf/train_encodec.yaml", "--fs", "24000")
    assert done.returncode == 1
    assert "train_encodec.yaml is for 16000 Hz, --fs is 24000" in done.stderr


def test_a_codec_that_is_not_trained_here_must_be_there(tmp_path):
    raw = tmp_path / "dump/raw"
    for name in ("train", "dev"):
        (raw / name).mkdir(parents=True)
        (raw / name / "wav.scp").write_text("a a.wav\n")
    systems = tmp_path / "systems.yaml"
    systems.write_text("- {key: x, label: X, codec: {exp: no/where}}\n")
    for stage in (4, 5):
        code, said = st(
            "--stage", stage, "--stop_stage", stage, "--systems", systems,
            *places(tmp_path),
        )  # fmt: skip
        assert code == 1
        assert f"no/where is missing: {systems} says that a model of x lies" in said


def test_layers_to_decode_are_those_of_the_codes(tmp_path, script):
    np.save(tmp_path / "codebooks.npy", np.ones((4, 2, 2), np.float32))
    for purpose, spans in (("resynthesis", "1 1-4"), ("conversion", "2 2-4")):
        found = script("scripts/systems.py", "spans", purpose, tmp_path)
        assert found == (0, f"{spans}\n")
    code, said = script("scripts/systems.py", "spans", "conversion", tmp_path / "none")
    assert code == 1 and "none/codebooks.npy is missing: stage 5 makes it" in said


def test_espnets_own_utils_stand_in_for_ours(tmp_path):
    utils = tmp_path / "egs2/TEMPLATE/asr1/utils"
    which = ["bash", "-c", ". ./path.sh && command -v run.pl split_scp.pl"]
    run = dict(cwd=CORPORA[0], capture_output=True, text=True, check=False)
    run["env"] = os.environ | {"ESPNET_ROOT": str(tmp_path)}
    done = subprocess.run(which, **run)
    assert done.returncode == 1 and "has no egs2/TEMPLATE/asr1/utils" in done.stderr
    utils.mkdir(parents=True)
    (utils / "run.pl").write_text("#!/bin/sh\n")
    (utils / "run.pl").chmod(0o755)
    own = str(CORPORA[0] / "utils/split_scp.pl")
    assert subprocess.run(which, **run).stdout.split() == [str(utils / "run.pl"), own]


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


def test_what_depends_on_a_model_trained_elsewhere_sees_it_change(helper, tmp_path):
    (tmp_path / "codec").mkdir()
    (tmp_path / "codec/model.pt").write_text("1")
    state = 'model_state codec ""'
    code, before = helper(state)
    assert code == 0 and "model.pt 1 " in before and helper(state)[1] == before
    (tmp_path / "codec/model.pt").write_text("22")
    assert helper(state)[1] != before
    assert helper("model_state codec conf/x.yaml")[1] == "codec/latest.pth"


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
    assert (corpus / "README.md").is_file()
    for name in ("speechtok.sh", "utils", "scripts", "path.sh", "cmd.sh", "db.sh"):
        assert (corpus / name).is_symlink(), name
        assert (corpus / name).resolve() == TEMPLATE / name


def test_no_stage_changes_directory_or_hides_a_failure():
    for path in (TEMPLATE / "speechtok.sh", *TEMPLATE.glob("scripts/*.sh")):
        text = path.read_text()
        assert not re.search(r"^\s*cd ", text, re.MULTILINE), path
        assert "<(" not in text and ">(" not in text, path
