"""What users get wrong: named in a line, with the exit code 1 or 2, the rest done."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

SMALL = Path(__file__).resolve().parents[1] / "trained"
CODES = np.zeros((8, 5), np.int16)


def write(path, wav, rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.asarray(wav, np.float32), rate, subtype="FLOAT")


@pytest.fixture
def odd(tmp_path, prompts):
    """A directory of good and bad recordings, and what is wrong with the bad ones."""
    folder = tmp_path / "odd"
    noise = 0.1 * np.random.default_rng(0).standard_normal(4000)
    write(folder / "good.wav", noise)
    (folder / ".hidden.wav").write_bytes(b"of another system")
    write(folder / "silent.wav", np.zeros(4000))
    write(folder / "stereo.wav", np.stack([noise, noise], 1), 22050)
    write(folder / "opposite.wav", np.stack([noise, -noise], 1))
    write(folder / "empty.wav", [])
    write(folder / "nan.wav", [0.0, np.nan])
    (folder / "corrupt.wav").write_bytes(b"RIFF and no more")
    whole = prompts[0].read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (folder / "nothing.ogg").write_bytes(b"")
    return {
        "opposite": "cancel",
        "empty": "empty",
        "nan": "NaN",
        "corrupt": "cannot read audio",
        "cut": "cannot read audio",
        "nothing": "cannot read audio",
    }


@pytest.mark.parametrize("verb", ["tokenize", "resynthesize", "convert-voice"])
def test_bad_recordings_are_named_and_the_others_done(run, odd, caplog, prompts, verb):
    options = ["--reference", prompts[0]] if verb == "convert-voice" else []
    assert run(verb, "odd", "-o", "out", *options) == 1
    end = ".npy" if verb == "tokenize" else ".wav"
    made = {path.stem for path in Path("out").glob(f"*{end}")}
    assert made == {"good", "silent", "stereo"}
    for key, reason in odd.items():
        (line,) = [x for x in caplog.messages if x.startswith(f"skipped {key}: ")]
        assert reason in line
    if verb == "tokenize":
        frames = {key: np.load(f"out/{key}.npy").shape[1] for key in made}
        assert frames == {"good": 13, "silent": 13, "stereo": 10}
    for key in odd:  # alone: nothing is left behind
        caplog.clear()
        (name,) = Path("odd").glob(f"{key}.*")
        assert run(verb, name, "-o", f"alone{end}", *options) == 1
        assert f"skipped {key}: " in caplog.text
    assert not list(Path(".").glob("alone*"))
    assert run(verb, "odd/nan.wav", "odd/empty.wav", "-o", "none", *options) == 1


def test_a_missing_file_is_named_and_the_others_done(run, odd, caplog):
    assert run("tokenize", "odd/good.wav", "missing.wav", "-o", "out") == 1
    assert Path("out/good.npy").is_file()
    assert "skipped missing: cannot read audio missing.wav" in caplog.text
    # Once it is there the run goes on.
    shutil.copy("odd/good.wav", "missing.wav")
    assert run("tokenize", "odd/good.wav", "missing.wav", "-o", "out") == 0
    assert Path("out/missing.npy").is_file()


def test_standard_input_that_is_no_wav(run, capsys, caplog):
    assert run("tokenize", "-", "-o", "x.npy", stdin=b"no audio at all") == 1
    assert "skipped stdin: cannot read audio" in caplog.text
    assert run("tokenize", "-", "-o", "x.npy", stdin=b"") == 2
    assert "nothing came on standard input" in capsys.readouterr().err
    assert run("tokenize", "-", "-o", "x.npy") == 2  # a terminal
    assert "use a pipe" in capsys.readouterr().err
    assert not Path("x.npy").exists()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((5, 8), np.float32), "integers"),
        (np.zeros((20, 5), np.int16), "20 layers"),
        (np.full((8, 5), 256), "lie in"),
        (np.zeros((8, 0), np.int16), "not empty"),
        (np.zeros(8, np.int16), "(n_q, T)"),
        (np.array(["a"], object), "cannot read codes"),
    ],
)
def test_bad_codes_are_named_and_the_others_done(run, caplog, array, reason):
    np.save("bad.npy", array)
    np.save("good.npy", CODES)
    assert run("resynthesize", "good.npy", "bad.npy", "-o", "out") == 1
    assert [path.name for path in Path("out").glob("*.wav")] == ["good.wav"]
    assert "skipped bad: " in caplog.text and reason in caplog.text
    assert run("resynthesize", "bad.npy") == 1


def test_a_cut_file_of_codes_is_named(run, caplog):
    np.save("bad.npy", CODES)
    whole = Path("bad.npy").read_bytes()
    Path("bad.npy").write_bytes(whole[:-3])
    assert run("resynthesize", "bad.npy") == 1
    assert "skipped bad: cannot read codes bad.npy" in caplog.text


WRONG = {
    "no match of a pattern": (["*.mp3"], "no file is named like '*.mp3'"),
    "an empty directory": (["void", "-o", "out"], "nothing in void"),
    "an empty table": (["void.scp", "-o", "out"], "void.scp: the file is empty"),
    "no such table": (["none.scp", "-o", "out"], "none.scp: no such file"),
    "standard input and a file": (["-", "a.wav", "-o", "out"], "give it alone"),
    "two of one name": (["a.wav", "b/a.wav", "-o", "out"], "would both be 'a'"),
    "two and one file": (["a.wav", "c.wav", "-o", "x.npy"], "2 inputs and one -o"),
    "two to standard output": (["a.wav", "c.wav", "-o", "-"], "2 inputs and one -o"),
    "two and no output": (["a.wav", "c.wav"], "give -o DIRECTORY"),
    "an output of another kind": (["a.wav", "-o", "x.mp3"], "a name in .npy"),
    "a format of one file": (["a.wav", "--format", "packed"], "takes -o DIRECTORY"),
    "an output below a file": (["a.wav", "-o", "a.wav/x.npy"], "cannot write to"),
    "a directory below a file": (["a.wav", "-o", "a.wav/out"], "cannot write to"),
    "a directory of the system": (["a.wav", "-o", "/proc/x.npy"], "cannot write to"),
    "a model that is not there": (["a.wav", "--model", "none"], "model none: no dir"),
    "a model that is no codec": (
        ["a.wav", "--model", SMALL / "uslm.zip"],
        "speechtokenizer",
    ),
    "a model that is no model": (["a.wav", "--model", "a.wav"], "model a.wav: "),
    "a GPU that is not there": (["a.wav", "--ngpu", "1"], "finds no GPU here"),
    "an unknown precision": (["a.wav", "--dtype", "int3"], "dtype is 'int3'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_said_in_a_line_and_makes_nothing(
    run, capsys, monkeypatch, tmp_path, case
):
    words, message = WRONG[case]
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for name in ("a", "b/a", "c"):
        write(tmp_path / f"{name}.wav", np.zeros(400))
    (tmp_path / "void").mkdir()
    (tmp_path / "void.scp").write_text("")
    assert run("tokenize", *words, stdin=b"x") == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("espnet-st tokenize: ") and message in lines[-1]
    assert not list(tmp_path.rglob("*.np*"))


def test_an_input_is_never_replaced(run, capsys, tmp_path):
    write(tmp_path / "a.wav", np.zeros(400))
    before = (tmp_path / "a.wav").read_bytes()
    assert run("resynthesize", "a.wav", "-o", "a.wav") == 2
    assert "would replace the input" in capsys.readouterr().err
    assert run("resynthesize", "a.wav", "-o", ".") == 2
    assert "would replace the input" in capsys.readouterr().err
    assert (tmp_path / "a.wav").read_bytes() == before


def test_results_go_to_no_terminal(run, capsys, monkeypatch, tmp_path):
    write(tmp_path / "a.wav", np.zeros(400))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert run("tokenize", "a.wav", "-o", "-") == 2
    assert "your terminal" in capsys.readouterr().err


def test_a_directory_of_another_model_or_option_is_refused(run, capsys, odd):
    words = ["resynthesize", "odd/good.wav", "-o", "out/"]
    assert run(*words) == 0
    assert run(*words, "--layers", "1") == 2
    assert "out was begun with layers 8, now 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["...", "-o", "x.wav"], 1, "nothing to speak"),
        (["Hi.", "--prompt", "none.wav"], 1, "cannot read audio none.wav"),
        (["Hi.", "--prompt_text", "Hi"], 1, "give speech"),
        (["Hi.", "-o", "out/"], 2, "a name in .wav"),
        (["Hi.", "--top_p", "7"], 2, "top_p"),
        (["Hi.", "--model", SMALL / "codec.zip"], 2, "uslm"),
        (["Hi.", "--codec", SMALL / "uslm.zip"], 2, "speechtokenizer"),
    ],
)
def test_what_cannot_be_spoken(run, capsys, caplog, words, code, message):
    uslm = ["--model", SMALL / "uslm.zip", "--codec", SMALL / "codec.zip"]
    assert run("synthesize", *uslm, *words) == code
    assert message in capsys.readouterr().err + caplog.text
    assert not list(Path(".").glob("*.wav"))


def test_info_of_no_model(run, capsys, tmp_path):
    (tmp_path / "config.yaml").write_text("asr: none")
    for words, message in (
        (["nowhere"], "no directory or archive nowhere"),
        ([tmp_path], "no checkpoint"),
        ([SMALL / "make.sh"], "neither a directory"),
    ):
        assert run("info", *words) == 2
        assert message in capsys.readouterr().err
    shutil.unpack_archive(SMALL / "codec.zip", tmp_path / "codec")
    assert run("info", "codec", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "codec"
