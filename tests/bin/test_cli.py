"""The command as such: verbs, help, usage, start-up, what it hands on to."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_st import __version__
from espnet_st.bin import cli
from espnet_st.bin.verbs import OTHERS, VERBS, Verb

ROOT = Path(__file__).resolve().parents[2]


def test_setup_installs_the_command():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    module, function = re.search(r'"espnet-st = (\S+):(\w+)"', setup).groups()
    assert (module, function) == (cli.__name__, cli.main.__name__)


def test_help_and_version_come_at_once_and_load_nothing_heavy():
    code = (
        "import sys\nfrom espnet_st.bin.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as stop:\n"
        "    sys.stderr.write(f'{stop.code} ')\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    for words in (["--help"], ["--version"], ["tokenize", "--help"], ["tokenise"]):
        before = os.times()
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            capture_output=True,
            text=True,
            check=True,
        )
        after = os.times()
        seconds = after.children_user - before.children_user
        assert seconds < 0.5  # 0.06 s were measured; torch alone takes 2
        loaded = set(done.stderr.split())
        assert "argparse" in loaded
        assert not loaded & {"torch", "numpy", "espnet2", "soundfile"}


def test_version(run, capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"espnet-st {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_help(run, capsys, verb):
    assert run(verb, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: espnet-st {verb}")


def test_help_names_each_verb(run, capsys):
    assert run("--help") == 0
    listing = capsys.readouterr().out
    for name, verb in (VERBS | OTHERS).items():
        assert re.search(rf"^  {name} +{re.escape(verb.summary)}$", listing, re.M)


@pytest.mark.parametrize("words", [(), ("tokenise", "a.wav"), ("--model", "x")])
def test_an_unknown_verb_is_wrong_usage(run, capsys, words):
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert "VERB" in error
    if words[:1] == ("tokenise",):
        assert "tokenize" in error and "convert-voice" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tokenize",), "INPUT"),
        (("tokenize", "a.wav", "--batch_size", "0"), "expected at least 1"),
        (("tokenize", "a.wav", "--format", "zip"), "packed"),
        (("resynthesize", "a.npy", "--layers", "2-3"), "expected 1, 1-2"),
        (("convert-voice", "a.wav"), "--reference"),
        (("synthesize",), "TEXT"),
        (("synthesize", "Hi", "--top_q", "1"), "--top_q"),
    ],
)
def test_wrong_options_are_refused(run, capsys, words, message):
    assert run(*words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["convert"])
def test_other_commands_take_all_arguments_under_the_verbs_name(run, capsys, verb):
    assert run(verb, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: espnet-st {verb}")
    assert run(verb, "--no_such_option") == 2
    assert f"espnet-st {verb}: error" in capsys.readouterr().err


def test_what_other_commands_refuse_is_a_line_too(run, capsys, tmp_path):
    words = ["--codec", "nowhere", "--output_dir", tmp_path / "out"]
    assert run("convert", *words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("espnet-st convert: ") and "nowhere" in lines[-1]


def test_a_verb_whose_module_is_not_installed_says_so(run, capsys, monkeypatch):
    monkeypatch.setitem(OTHERS, "pack", Verb("espnet_st.bin.not_there", ""))
    assert run("pack", "x") == 2
    assert "no espnet_st.bin.not_there" in capsys.readouterr().err
    monkeypatch.setitem(OTHERS, "pack", Verb("tests_without.this", ""))
    with pytest.raises(ModuleNotFoundError):  # another's is no matter of the verb
        run("pack", "x")


def test_without_a_model_both_ways_to_name_it_are_told(run, capsys, monkeypatch):
    monkeypatch.delenv("ESPNET_ST_MODEL")
    for words in (("tokenize", "a.wav"), ("info",), ("synthesize", "Hi")):
        assert run(*words) == 2
        assert "ESPNET_ST_MODEL" in capsys.readouterr().err


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "espnet_st.bin.cli", "info", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("espnet-st info: no directory")
