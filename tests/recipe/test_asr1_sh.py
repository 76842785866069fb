"""The recipe asr1: its options, what it refuses, and a whole run on a tiny codec."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "egs2/TEMPLATE/asr1"
MINI = ROOT / "egs2/mini/asr1"
NAMES = ("fbank", "rvq1", "rvq1_8")
SETS = ("train", "dev", "test")


def asr(*args, cwd=MINI, script="./run.sh", env=None):
    """Run the mini corpus's recipe: (exit code, everything it said)."""
    done = subprocess.run(
        [script, *map(str, args)],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def places(work):
    """Options that put what is made into a directory."""
    return ["--datadir", work / "data", "--expdir", work / "exp"]


@pytest.fixture
def recipe(tmp_path):
    """What a recipe speechtok1 leaves: sets with paths relative to its directory."""
    base = tmp_path / "speechtok1"
    (base / "data/wav").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for name in SETS:
        raw = base / "dump/raw" / name
        raw.mkdir(parents=True)
        tables = {"wav.scp": "", "text": "", "utt2spk": ""}
        for number in range(9):
            key = f"{name}-{number}"
            path = f"data/wav/{key}.wav"
            soundfile.write(base / path, draw.uniform(-0.3, 0.3, 16000), 16000)
            tables["wav.scp"] += f"{key} {path}\n"
            tables["text"] += f"{key} {'ON AND ON'[number:]} THEY GO BY CAR\n"
            tables["utt2spk"] += f"{key} {name}\n"
        for table, lines in tables.items():
            (raw / table).write_text(lines)
    return base


def take(recipe, work, *args):
    """Run stage 1 on it."""
    return asr(
        *places(work), "--speechtok_dir", recipe, "--stop_stage", 1, *args,
    )  # fmt: skip


def table(path):
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())


def test_help_prints_each_option_with_its_comment():
    code, said = asr("--help")
    text = (TEMPLATE / "asr.sh").read_text().split(". utils/parse_options.sh")[0]
    assert code == 0
    for name in re.findall(r"^([a-z_]+)=(?!\"Usage)", text, re.MULTILINE):
        assert re.search(rf"^  --{name} +\S+ \S+", said, re.MULTILINE), name
    assert all(f"\n  {stage}  " in said for stage in range(1, 6))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--no_such_option", "1"], "unknown option --no_such_option"),
        (["--smoke", "yes"], "--smoke takes true or false, not 'yes'"),
        (["extra"], "asr.sh: error: unknown arguments: extra"),
        (["--stage", "6"], "expected numbers from 1 to 5"),
        (["--systems", "fbank"], "holds 'fbank': expected LABEL=NAME"),
        (["--systems", "mel=none"], "conf/train_asr_none.yaml is not there"),
        (["--systems", ""], "--systems is empty"),
        (["--expdir", "my exp"], "'my exp' holds a blank or another character"),
    ],
)
def test_wrong_use_is_refused_before_stage_1(args, message):
    code, said = asr(*args)
    assert code == 1 and message in said and "stage 1" not in said


def test_a_gpu_that_is_not_there_is_refused_before_stage_1(tmp_path):
    code, said = asr(*places(tmp_path), "--ngpu", 1, env={"CUDA_VISIBLE_DEVICES": ""})
    assert code == 1 and "finds no GPU here" in said and "stage 1" not in said


def test_data_that_is_not_there_comes_with_the_command_that_makes_it(tmp_path):
    code, said = take(tmp_path / "no", tmp_path)
    assert code == 1
    assert f"'{tmp_path}/no/run.sh --stop_stage 4' makes data and codec" in said
    assert "--rawdir" in said


@pytest.mark.parametrize(
    ("stage", "missing", "maker"),
    [(2, "train/.done", 1), (3, "train/.done", 1), (4, "test/.done", 1)]
    + [(5, "asr_fbank/decode/test/.done", 4)],
)
def test_a_stage_says_which_stage_makes_what_it_lacks(tmp_path, stage, missing, maker):
    code, said = asr(*places(tmp_path), "--stage", stage, "--stop_stage", stage)
    assert code == 1 and f"{missing} is missing: stage {maker} makes it" in said


def test_paths_are_found_from_the_recipe_that_wrote_them(tmp_path, recipe):
    code, said = take(recipe, tmp_path, "--max_utts", 2)
    assert code == 0, said
    for name in SETS:
        made = tmp_path / "data" / name
        wavs = table(made / "wav.scp")
        assert list(wavs) == [f"{name}-0", f"{name}-1"]
        for key, path in wavs.items():
            found = (MINI / path).resolve()
            assert found == recipe.resolve() / f"data/wav/{key}.wav"
        assert table(made / "utt2num_samples") == dict.fromkeys(wavs, "16000")
        assert table(made / "spk2utt") == {name: f"{name}-0 {name}-1"}
        assert table(made / "text")[f"{name}-1"] == "N AND ON THEY GO BY CAR"
    _, again = take(recipe, tmp_path, "--max_utts", 2)
    assert again.count("is finished: skipped") == 3


def test_other_sets_are_taken_by_name_and_absolute_paths_as_they_are(tmp_path, recipe):
    raw = recipe / "dump/raw/train"
    wavs = {key: recipe / path for key, path in table(raw / "wav.scp").items()}
    (raw / "wav.scp").write_text("".join(f"{k} {v}\n" for k, v in wavs.items()))
    code, said = asr(
        *places(tmp_path), "--rawdir", recipe / "dump/raw", "--stop_stage", 1,
        "--speechtok_dir", "none", "--valid_set", "train", "--test_set", "train",
    )  # fmt: skip
    assert code == 0, said
    found = table(tmp_path / "data/train/wav.scp")
    assert all((MINI / found[key]).samefile(wavs[key]) for key in wavs)


def test_data_of_another_rate_is_refused_with_the_rate_to_give(tmp_path, recipe):
    code, said = take(recipe, tmp_path, "--fs", 24000)
    assert code == 1
    assert "has 16000 Hz, --fs is 24000: give --fs 16000" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("wav.scp", "train-0 gone.wav\n"), "gone.wav is neither in a directory above"),
        (("segments", "train-0 train-0 0 1\n"), "expected a set with text and without"),
        (("text", "train-0 A\n"), "stands in wav.scp but not in text"),
    ],
)
def test_sets_that_cannot_be_read_are_refused(tmp_path, recipe, change, message):
    name, lines = change
    raw = recipe / "dump/raw/train"
    for one in ("wav.scp", "utt2spk", "text") if name != "text" else ():
        (raw / one).write_text((raw / one).read_text().splitlines(True)[0])
    (raw / name).write_text(lines)
    code, said = take(recipe, tmp_path)
    assert code == 1 and message in said


@pytest.mark.parametrize("codec", ["", "no/where"])
def test_a_codec_that_is_not_there_comes_with_the_command_that_makes_it(
    tmp_path, recipe, codec
):
    pytest.importorskip("editdistance", reason="ESPnet's ASR training needs it")
    code, said = asr(
        *places(tmp_path), "--speechtok_dir", recipe, "--stop_stage", 3,
        "--codec", codec, "--token_type", "char",
    )  # fmt: skip
    assert code == 1 and "stage 2 took" in said
    assert f"'{recipe}/run.sh --stop_stage 4' trains one in {recipe}/exp" in said
    assert (codec or "--codec is empty") in said and "Traceback" not in said


def test_the_mini_recipe_is_short_and_hands_its_options_on():
    lines = (MINI / "run.sh").read_text().splitlines()
    assert len(lines) <= 25 and lines[-1] == '    "$@"'
    assert not [p for p in TEMPLATE.rglob("*") if p.is_symlink() and not p.exists()]


@pytest.mark.parametrize("name", NAMES)
def test_a_config_builds(name, tmp_path, exp, monkeypatch):
    """The same recogniser of each frontend: but for that, the files are equal."""
    from espnet2.tasks.asr import ASRTask

    from espnet_st.registry import register

    register()
    path = MINI / f"conf/train_asr_{name}.yaml"
    conf, base = (
        yaml.safe_load(p.read_text()) for p in (path, path.with_stem("train_asr_fbank"))
    )
    differing = {k for k in conf.keys() | base.keys() if conf.get(k) != base.get(k)}
    assert differing <= {"frontend", "frontend_conf"}
    (tmp_path / "tokens").write_text("<blank>\n<unk>\nA\n<sos/eos>\n")
    options = ["--config", path, "--output_dir", tmp_path, "--frontend_conf", "fs=16k"]
    options += ["--token_list", tmp_path / "tokens"]
    if name != "fbank":
        options += ["--frontend_conf", f"codec={exp}"]
    args = ASRTask.get_parser().parse_args(list(map(str, options)))
    model = ASRTask.build_model(args)
    assert 5e5 < sum(p.numel() for p in model.encoder.parameters()) < 1e6
    lengths = torch.tensor([16000, 12800])
    batch = {"speech": 0.1 * torch.randn(2, 16000), "speech_lengths": lengths}
    batch |= {"text": torch.full((2, 3), 2), "text_lengths": torch.tensor([3, 3])}
    frames = model.collect_feats(**batch)["feats_lengths"]  # stock recipes' stats
    assert frames.tolist() == ([51, 41] if name == "fbank" else [50, 40])
    loss, *_ = model(**batch)
    loss.backward()
    learning = {key for key, p in model.named_parameters() if p.grad is not None}
    ours = {"rvq1": {"tables"}, "rvq1_8": {"tables", "weights"}}.get(name, set())
    assert {key for key in learning if key.startswith("frontend.")} == {
        f"frontend.{key}" for key in ours
    }


@pytest.mark.smoke
def test_a_whole_run_on_a_tiny_codec(tmp_path, recipe, exp):
    pytest.importorskip("editdistance", reason="ESPnet's ASR training needs it")
    options = [*places(tmp_path), "--speechtok_dir", recipe, "--codec", exp]
    options += ["--smoke", "true", "--nbpe", "24", "--test_set", "dev"]
    code, said = asr(*options)
    assert code == 0, said
    results = (tmp_path / "exp/RESULTS.md").read_text()
    assert results in said
    for label, name in zip(("log-mel", "RVQ-1", "RVQ-1:8"), NAMES):
        assert re.search(rf"^\|{label}\|\d+\.\d \(.*\|8\|$", results, re.MULTILINE)
        model = tmp_path / f"exp/asr_{name}"
        conf = yaml.safe_load((model / "config.yaml").read_text())
        assert conf["frontend_conf"]["fs"] == 16000
        keys = table(tmp_path / "data/dev/wav.scp").keys()
        text = (model / "decode/dev/text").read_text().splitlines()
        assert {line.split()[0] for line in text} == keys
    code, again = asr(*options)
    assert code == 0 and again.count("is finished: skipped") == 3 + 1 + 3 + 3
