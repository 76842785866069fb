"""The command tts_inference, with a stand-in for the codec."""

import multiprocessing
import threading
import time
import zlib

import numpy as np
import pytest
import soundfile
import torch
from tiny_uslm import CODES, HOP, StandIn, never, save_uslm
from tqdm import tqdm

from espnet_st.bin.tts_inference import main
from espnet_st.codes import CodesReader, CodesWriter
from espnet_st.inference import text2speech as tts_inference
from espnet_st.inference.synthesis import Inputs
from espnet_st.inference.text2speech import Text2Speech


@pytest.fixture
def exp(tmp_path):
    return save_uslm(tmp_path / "exp")


@pytest.fixture
def data(tmp_path):
    """Index files of three good requests, one without words, and two bad ones."""
    good = tmp_path / "good.wav"
    soundfile.write(good, np.linspace(-0.5, 0.5, 3200), 16000)
    (tmp_path / "text").write_text("u1 abc\nu2 cab ba\nbad1 a\nbad2 b\nu3 c\n")
    (tmp_path / "bad.wav").write_text("no sound")
    (tmp_path / "wav.scp").write_text(
        f"u1 {good}\nu2 {good}\nbad1 {tmp_path}/none.wav\nbad2 {tmp_path}/bad.wav\n"
        f"u3 {good}\n"
    )
    (tmp_path / "prompt_text").write_text("u1 ab\nu2 c\nbad1 a\nbad2 a\n")
    return [
        f"--data_path_and_name_and_type={tmp_path}/{name}"
        for name in ("text,text,text", "wav.scp,speech,sound")
    ] + [f"--data_path_and_name_and_type={tmp_path}/prompt_text,prompt_text,text"]


@pytest.fixture
def command(exp, data, tmp_path, monkeypatch):
    """Runs the command on the data; gives its output directory."""
    monkeypatch.setattr(
        tts_inference.AudioCoding, "from_pretrained", lambda *_: StandIn()
    )
    config = tmp_path / "decode.yaml"
    config.write_text("minlenratio: 2.0\nmaxlenratio: 4.0\nbatch_size: 3\n")

    def run(*options):
        output = tmp_path / "out"
        main([
            "--uslm", str(exp), "--codec", "any", "--config", str(config),
            "--output_dir", str(output), *data, *options,
        ])  # fmt: skip
        return output

    return run


def test_a_set_is_spoken_and_bad_items_are_named(command, caplog, capsys):
    caplog.set_level("INFO")
    output = command()
    keys = [line.split()[0] for line in (output / "wav.scp").read_text().splitlines()]
    assert keys == ["u1", "u2", "u3"] == sorted(CodesReader(output / "codes.scp"))
    for name, codes in CodesReader(output / "codes.scp").items():
        info = soundfile.info(output / "wav" / f"{name}.wav")
        assert (info.frames, info.samplerate) == (codes.shape[1] * HOP, 16000)
    assert "3 items done, 2 skipped: bad1 bad2" in caplog.text
    reasons = (output / "skipped.txt").read_text().splitlines()
    assert [line.split()[0] for line in reasons] == ["bad1", "bad2"]
    assert "none.wav" in reasons[0] and "bad.wav" in reasons[1]
    assert "real-time factor" in caplog.text and "rtf=" in capsys.readouterr().err


def test_a_set_is_resumed(command):
    output = command()
    first, kept = output / "wav/u1.wav", output / "wav/u2.wav"
    before, content = kept.stat().st_mtime_ns, first.read_bytes()
    first.unlink()
    command()
    assert first.read_bytes() == content
    assert kept.stat().st_mtime_ns == before


def test_options_win_over_the_file(command):
    output = command("--minlenratio", "3.0", "--maxlenratio", "3.0")
    assert CodesReader(output / "codes.scp")["u1"].shape == (4, 9)


def test_a_failing_item_of_a_set_is_named(command, exp, caplog):
    never(exp, ends=True)
    with pytest.raises(ValueError, match="all 5 items were skipped"):
        command("--minlenratio", "0")
    ended = "the model ended at once, whatever was drawn: give"
    assert f"skipped u1: {ended} ar_prompt=False" in caplog.text
    assert f"skipped u3: {ended} a minlenratio" in caplog.text  # its words are unknown


def test_items_that_are_cut_are_named(command, exp, caplog):
    never(exp, ends=False)
    command()
    assert "u1 did not end: cut at its limit" in caplog.text


def test_only_the_keys_asked_for(command, tmp_path):
    (tmp_path / "keys").write_text("u2 x\nabsent\n")
    output = command("--key_file", str(tmp_path / "keys"))
    assert list(CodesReader(output / "codes.scp")) == ["u2"]
    assert "absent no line in" in (output / "skipped.txt").read_text()


def test_prompts_may_be_codes(exp, tmp_path, monkeypatch):
    monkeypatch.setattr(
        tts_inference.AudioCoding, "from_pretrained", lambda *_: StandIn()
    )
    with CodesWriter(tmp_path / "codes") as writer:
        writer["u1"] = CODES
    (tmp_path / "text").write_text("u1 abc\nu2 cab\n")
    main([
        "--uslm", str(exp), "--codec", "any", "--output_dir", str(tmp_path / "out"),
        "--data_path_and_name_and_type", f"{tmp_path}/text,text,text",
        "--data_path_and_name_and_type", f"{tmp_path}/codes/codes.scp,speech,kaldi_ark",
        "--minlenratio", "2",
    ])  # fmt: skip
    found = CodesReader(tmp_path / "out/codes.scp")
    assert list(found) == ["u1"]
    tts = Text2Speech.from_pretrained(exp, codec=StandIn(), minlenratio=2.0)
    tts.seed = zlib.crc32(b"u1")
    assert found["u1"].equal(tts("abc", prompt_codes=CODES)["codes"])


def test_a_killed_job_goes_on_where_it_was(exp, tmp_path, monkeypatch):
    names = [f"u{i}" for i in range(10)]
    (tmp_path / "text").write_text("".join(f"{name} abc\n" for name in names))

    class Slow(StandIn):
        def decode_batch(self, codes):
            time.sleep(0.1)
            return super().decode_batch(codes)

    def run(name):
        main([
            "--uslm", str(exp), "--codec", "any", "--batch_size", "1",
            "--output_dir", str(tmp_path / name), "--minlenratio", "2",
            "--data_path_and_name_and_type", f"{tmp_path}/text,text,text",
        ])  # fmt: skip

    def slowly():
        torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
        tqdm.set_lock(threading.RLock())  # killed, it would keep the one of all
        tts_inference.AudioCoding.from_pretrained = lambda *_: Slow()
        run("out")

    process = multiprocessing.get_context("fork").Process(target=slowly)
    process.start()
    wavs = tmp_path / "out/wav"
    deadline = time.monotonic() + 60
    while len(list(wavs.glob("u?.wav"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -9
    before = {path.name: path.stat().st_mtime_ns for path in wavs.glob("u?.wav")}
    assert 3 <= len(before) < 10
    monkeypatch.setattr(
        tts_inference.AudioCoding, "from_pretrained", lambda *_: StandIn()
    )
    run("out")
    run("at_once")
    # The last one may have had no codes yet.
    kept = [wavs.joinpath(n).stat().st_mtime_ns == when for n, when in before.items()]
    assert sum(kept) >= len(kept) - 1
    resumed, at_once = (
        dict(CodesReader(tmp_path / name / "codes.scp")) for name in ("out", "at_once")
    )
    assert sorted(resumed) == sorted(at_once) == names
    for name in names:
        assert resumed[name].equal(at_once[name])
        first, second = (tmp_path / d / f"wav/{name}.wav" for d in ("out", "at_once"))
        assert first.read_bytes() == second.read_bytes()
    assert len((tmp_path / "out/wav.scp").read_text().splitlines()) == 10


def test_wrong_options_are_refused(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("temperatur: 1.0\n")
    with pytest.raises(SystemExit):
        main(["--config", str(tmp_path / "c.yaml"), "--output_dir", "x",
              "--data_path_and_name_and_type", "a,text,text"])  # fmt: skip
    assert "unknown options temperatur" in capsys.readouterr().err
    with pytest.raises(ValueError, match="expected one of FILE,text,text"):
        Inputs(["a,speech,text"])
    (tmp_path / "scp").write_text("a b\n")
    with pytest.raises(ValueError, match="no text"):
        Inputs([f"{tmp_path}/scp,speech,sound"])


def test_other_options_models_and_texts_in_the_same_directory_are_refused(
    command, exp, tmp_path
):
    output = command()
    before = {path: path.read_bytes() for path in output.rglob("*.*")}
    for options, name in ((["--top_k", "3"], "top_k"), (["--seed", "7"], "seed")):
        with pytest.raises(ValueError, match=f"was begun with {name} .*, now"):
            command(*options)
    checkpoint = exp / "valid.loss.best.pth"
    state = torch.load(checkpoint)
    name = next(name for name in state if state[name].is_floating_point())
    torch.save(state | {name: state[name] + 1}, checkpoint)
    with pytest.raises(ValueError, match="was begun with uslm '.*', now '.*'"):
        command()
    torch.save(state, checkpoint)
    text = (tmp_path / "text").read_text()
    (tmp_path / "text").write_text(text.replace("cab ba", "bab ba"))
    with pytest.raises(ValueError, match="1 results of other input, u2 for one"):
        command()
    (tmp_path / "text").write_text(text)
    command("--batch_size", "1")
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_key_that_leads_out_of_the_directory_is_refused(command, tmp_path):
    (tmp_path / "text").write_text("../../escape abc\n")
    with pytest.raises(ValueError, match="'../../escape' names a file outside of"):
        command()
    assert not list(tmp_path.parent.rglob("escape*"))


@pytest.mark.parametrize("text", ["u1\tabc\nu2\tcab ba\n", "\ufeffu1 abc\r\nu2 b\r\n"])
def test_texts_with_tabs_and_byte_order_marks_are_spoken(command, tmp_path, text):
    (tmp_path / "text").write_bytes(text.encode())
    output = command()
    wavs = sorted(path.name for path in (output / "wav").iterdir())
    assert wavs == ["u1.wav", "u2.wav"]
