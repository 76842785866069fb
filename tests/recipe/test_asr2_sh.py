"""The recipe asr2: its options, what it refuses, and a whole run on a tiny codec."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from espnet_st.codes import CodesReader, CodesWriter
from espnet_st.inference.code_tokens import CodeTokens, TokenOptions

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "egs2/TEMPLATE/asr2"
MINI = ROOT / "egs2/mini/asr2"
NAMES = ("bpe", "frames")
SETS = ("train", "dev", "test")


def asr2(*args):
    """Run the mini corpus's recipe: (exit code, everything it said)."""
    done = subprocess.run(
        ["./run.sh", *map(str, args)],
        cwd=MINI,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture
def recipe(tmp_path, codec):
    """What speechtok1 leaves: codes whose archives are named from its directory."""
    base = tmp_path / "speechtok1"
    generator = torch.Generator().manual_seed(0)
    for name in SETS:
        out = base / "dump/codes_x" / name
        lines = ""
        with CodesWriter(out) as writer:
            for number in range(9):
                key = f"{name}-{number}"
                writer[key] = torch.randint(8, (3, 50), generator=generator)
                lines += f"{key} {'ON AND ON'[number:]} THEY GO BY CAR\n"
        (out / "text").write_text(lines)
        scp = out / "codes.scp"
        scp.write_text(scp.read_text().replace(f" {base}/", " "))
    return base


def places(work, recipe, *options):
    given = ["--datadir", work / "data", "--expdir", work / "exp"]
    given += ["--speechtok_dir", recipe, "--codesdir", recipe / "dump/codes_x"]
    return [*given, *options]


def table(path):
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())


def test_help_prints_each_option_with_its_comment():
    code, said = asr2("--help")
    text = (TEMPLATE / "asr2.sh").read_text().split(". utils/parse_options.sh")[0]
    assert code == 0
    for name in re.findall(r"^([a-z_]+)=(?!\"Usage)", text, re.MULTILINE):
        assert re.search(rf"^  --{name} +\S+ \S+", said, re.MULTILINE), name
    assert all(f"\n  {stage}  " in said for stage in range(1, 6))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--no_such_option", "1"], "unknown option --no_such_option"),
        (["extra"], "asr2.sh: error: unknown arguments: extra"),
        (["--stage", "6"], "expected numbers from 1 to 5"),
        (["--systems", "bpe"], "holds 'bpe': expected LABEL=NAME"),
        (["--systems", "x=none"], "conf/tokens_none.conf is not there"),
        (["--systems", ""], "--systems is empty"),
        (["--codec", ""], "--codec and --codesdir are needed"),
        (["--expdir", "my exp"], "'my exp' holds a blank or another character"),
    ],
)
def test_wrong_use_is_refused_before_stage_1(args, message):
    code, said = asr2(*args)
    assert code == 1 and message in said and "stage 1" not in said


def test_codes_that_are_not_there_come_with_the_command_that_makes_them(tmp_path):
    code, said = asr2(*places(tmp_path, tmp_path / "no"))
    assert code == 1
    assert f"'{tmp_path}/no/run.sh --stop_stage 5' makes codec and codes" in said


@pytest.mark.parametrize(
    ("stage", "missing", "maker"),
    [(2, "train/.done", 1), (3, "token_list/bpe150_none/.done", 2)]
    + [(4, "tokens_bpe/test/.done", 2), (5, "asr2_bpe/decode/test/.done", 4)],
)
def test_a_stage_says_which_stage_makes_what_it_lacks(tmp_path, stage, missing, maker):
    options = ["--stage", stage, "--stop_stage", stage]
    code, said = asr2(*places(tmp_path, tmp_path, *options))
    assert code == 1 and f"{missing} is missing: stage {maker} makes it" in said


def test_archives_are_found_from_the_recipe_that_wrote_them(tmp_path, recipe):
    options = places(tmp_path, recipe, "--stop_stage", 1, "--max_utts", 2)
    code, said = asr2(*options)
    assert code == 0, said
    for name in SETS:
        codes = CodesReader(tmp_path / "data" / name / "codes.scp")
        assert list(codes) == [f"{name}-0", f"{name}-1"]
        assert all(one.shape == (3, 50) for one in codes.values())
        assert list(table(tmp_path / "data" / name / "text")) == list(codes)
    assert asr2(*options)[1].count("is finished: skipped") == 3


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("rvq1={}/of_train", "expected LABEL=FILE with keys of"),
        ("{}/of_train", "expected LABEL=FILE"),
        ("rvq1={}/none", "no such file"),
    ],
)
def test_lengths_of_another_set_are_refused(tmp_path, recipe, shape, message):
    asr2(*places(tmp_path, recipe, "--stop_stage", 1))
    (tmp_path / "of_train").write_text("train-0 5\n")
    script = TEMPLATE / "scripts/length_table.py"
    scp = tmp_path / "data/dev/codes.scp"
    done = subprocess.run(
        [sys.executable, script, scp, shape.format(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and message in done.stderr


def test_codes_of_another_codec_are_refused(tmp_path, recipe, exp, codec):
    for name in SETS:
        books = codec.codebooks.numpy() + 1
        np.save(recipe / "dump/codes_x" / name / "codebooks.npy", books)
    options = ["--codec", exp, "--stop_stage", 2, "--token_type", "char"]
    code, said = asr2(*places(tmp_path, recipe, *options))
    assert code == 1 and "the tokens are of another" in said


def test_the_mini_recipe_is_short_and_hands_its_options_on():
    lines = (MINI / "run.sh").read_text().splitlines()
    assert len(lines) <= 25 and lines[-1] == '    "$@"'
    assert not [p for p in TEMPLATE.rglob("*") if p.is_symlink() and not p.exists()]
    assert not [p for p in MINI.rglob("*") if p.is_symlink() and not p.exists()]


@pytest.mark.parametrize("name", NAMES)
def test_a_config_builds(name, tmp_path):
    """The recogniser of asr1 on another input."""
    from espnet2.tasks.mt import MTTask

    from espnet_st.registry import register

    register()
    path = MINI / f"conf/train_asr2_{name}.yaml"
    of_asr1 = yaml.safe_load(
        (ROOT / "egs2/mini/asr1/conf/train_asr_rvq1.yaml").read_text()
    )
    conf = yaml.safe_load(path.read_text())
    assert conf["decoder_conf"] == of_asr1["decoder_conf"]
    rest = [
        {k: v for k, v in one["encoder_conf"].items() if k != "input_layer"}
        for one in (conf, of_asr1)
    ]
    assert rest[0] == rest[1] and conf["encoder"] == of_asr1["encoder"]
    tokens = CodeTokens(torch.randn(8, 512, 128), TokenOptions())
    tokens.save(tmp_path)
    (tmp_path / "words").write_text("<blank>\n<unk>\nA\n<sos/eos>\n")
    options = ["--config", path, "--output_dir", tmp_path]
    options += ["--token_list", tmp_path / "words", "--src_token_type", "word"]
    options += ["--src_token_list", tmp_path / "tokens.txt"]
    options += ["--frontend_conf", f"tokens={tmp_path}"]
    args = MTTask.get_parser().parse_args(list(map(str, options)))
    model = MTTask.build_model(args)
    assert model.frontend.table.equal(tokens.vectors())
    assert 5e5 < sum(p.numel() for p in model.encoder.parameters()) < 1e6


@pytest.mark.smoke
def test_a_whole_run_on_a_tiny_codec(tmp_path, recipe, exp):
    pytest.importorskip("editdistance", reason="ESPnet's ASR training needs it")
    options = ["--codec", exp, "--smoke", "true", "--nbpe", "24", "--test_set", "dev"]
    code, said = asr2(*places(tmp_path, recipe, *options))
    assert code == 0, said
    results = (tmp_path / "exp/RESULTS.md").read_text()
    assert results in said
    for label, name in zip(("RVQ-1,pieces", "RVQ-1,frames"), NAMES):
        assert re.search(rf"^\|{label}\|\d+\.\d \(.*\|8\|$", results, re.MULTILINE)
        keys = table(tmp_path / "data/dev/codes.scp").keys()
        text = tmp_path / f"exp/asr2_{name}/decode/dev/text"
        assert {line.split()[0] for line in text.read_text().splitlines()} == keys
    assert "| frames of the codec | 50.0 | 100 % | 8 |" in results
    assert "| input of RVQ-1,frames | 50.0 | 100 % | 8 |" in results
    code, again = asr2(*places(tmp_path, recipe, *options))
    assert code == 0 and again.count("is finished: skipped") == 3 + 1 + 6 + 2 + 2
