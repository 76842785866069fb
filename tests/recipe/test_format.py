import numpy as np
import pytest
import soundfile

from espnet_st.data.kaldi import read_table

FORMAT = "scripts/format_wav_scp.py"


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_right_file_is_referred_to_and_tables_are_complete(
    data_dir, tmp_path, script
):
    code, said = script(FORMAT, data_dir, tmp_path / "out")
    assert code == 0, said
    out = tmp_path / "out"
    assert read_table(out / "wav.scp") == read_table(data_dir / "wav.scp")
    assert read_table(out / "text") == read_table(data_dir / "text")
    assert read_table(out / "spk2utt") == {"a": "a-1 a-2", "b": "b-1 b-2"}
    samples = read_table(out / "utt2num_samples")
    assert samples == {f"{k}": f"{16000 * n}" for n, k in enumerate(samples, 1)}
    assert (out / "phones.ctm").read_text() == (data_dir / "phones.ctm").read_text()


def test_another_rate_stereo_and_a_pipe_become_16_khz_mono(
    data_dir, tmp_path, script, tone
):
    stereo = np.stack([tone(1, 44100), 0 * tone(1, 44100)], axis=1)
    soundfile.write(data_dir / "a-1.wav", stereo, 44100)
    piped = data_dir / "b-2.wav"
    replace(data_dir / "wav.scp", str(piped), f"cat {piped} |")
    code, said = script(FORMAT, data_dir, tmp_path / "out")
    assert code == 0, said
    paths = read_table(tmp_path / "out/wav.scp")
    wav, rate = soundfile.read(paths["a-1"])
    assert (wav.shape, rate) == ((16000,), 16000)
    # Half of the amplitude of the one channel, at the same pitch.
    np.testing.assert_allclose(wav[100:-100], tone(1)[100:-100] / 2, atol=2e-3)
    wav, _ = soundfile.read(paths["b-2"])
    np.testing.assert_allclose(wav, tone(4), atol=1e-4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"RIFF, not really", "cannot read audio"),
        (b"", "cannot read audio"),
        (np.zeros(0), "not empty"),
        (np.zeros(16000), "silent"),
        (np.full(16000, np.nan), "NaN"),
        (np.full(3200, 0.1), "0.20 s, outside"),
        (np.full(96000, 0.1), "6.00 s, outside"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unusable_file_is_named_and_counted(
    data_dir, tmp_path, script, content, reason
):
    path = data_dir / "a-2.wav"
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        soundfile.write(path, content, 16000, subtype="FLOAT")
    code, said = script(FORMAT, "--max_seconds", 5, data_dir, tmp_path / "out")
    assert code == 0, said
    line = next(line for line in said.splitlines() if "dropped a-2" in line)
    assert reason in line and str(data_dir / "a-2.wav") in line
    assert "3 utterances kept, 1 dropped" in said
    for name in ("wav.scp", "text", "utt2spk", "utt2num_samples", "phones"):
        assert list(read_table(tmp_path / "out" / name)) == ["a-1", "b-1", "b-2"], name
    assert "a-2" not in (tmp_path / "out/phones.ctm").read_text()
    assert "a-2" not in (tmp_path / "out/spk2utt").read_text()


def test_a_truncated_file_is_named(data_dir, tmp_path, script):
    path = data_dir / "a-2.wav"
    path.write_bytes(path.read_bytes()[:-1000])
    code, said = script(FORMAT, data_dir, tmp_path / "out")
    assert code == 0 and f"dropped a-2 ({path})" in said and "truncated" in said


def test_a_failing_pipe_is_named_with_what_it_said(data_dir, tmp_path, script):
    replace(data_dir / "wav.scp", str(data_dir / "a-1.wav"), "ls /no/such/place |")
    code, said = script(FORMAT, data_dir, tmp_path / "out")
    assert code == 0 and "dropped a-1" in said and "/no/such/place" in said


def test_the_result_is_checked_and_not_only_the_source(
    data_dir, tmp_path, script, tone
):
    soundfile.write(data_dir / "a-1.wav", 9000 * tone(), 16000, subtype="FLOAT")
    soundfile.write(data_dir / "a-2.wav", np.stack([tone(), -tone()], 1), 16000)
    # A tone above the half of the new rate: silent once it is resampled.
    high = np.hanning(44100) * tone(1, 44100, 15000)
    soundfile.write(data_dir / "b-1.wav", high, 44100)
    code, said = script(FORMAT, data_dir, tmp_path / "out")
    assert code == 0, said
    assert list(read_table(tmp_path / "out/wav.scp")) == ["b-2"]
    dropped = {
        key: next(x for x in said.splitlines() if f"dropped {key}" in x)
        for key in ("a-1", "a-2", "b-1")
    }
    assert "reaches 2700; expected samples in [-1, 1]" in dropped["a-1"]
    assert "they cancel each other" in dropped["a-2"]
    assert "silent" in dropped["b-1"]


def test_segments_become_utterances(data_dir, tmp_path, script, tone):
    recording = tmp_path / "recording.wav"
    soundfile.write(recording, tone(3), 16000)
    (data_dir / "wav.scp").write_text(f"rec1 cat {recording} |\nrec2 {recording}\n")
    tables = {
        "segments": ["rec1 0.0 1.2", "rec1 1.2 2.9", "rec2 0 -1", "rec2 2.8 2.9"],
        "text": ["HELLO", "WORLD", "THERE", "X"],
        "utt2spk": ["s", "s", "t", "t"],
    }
    keys = ["s-rec1-1", "s-rec1-2", "t-rec2-1", "t-rec2-2"]
    for name, values in tables.items():
        lines = [f"{key} {value}\n" for key, value in zip(keys, values)]
        (data_dir / name).write_text("".join(lines))
    for name in ("phones", "phones.ctm"):
        (data_dir / name).unlink()
    out = tmp_path / "out"
    code, said = script(FORMAT, data_dir, out)
    assert code == 0 and "dropped t-rec2-2" in said, said
    paths = read_table(out / "wav.scp")
    assert list(paths) == keys[:3]
    wav, _ = soundfile.read(paths["s-rec1-2"])
    np.testing.assert_allclose(wav, tone(3)[19200:46400], atol=1e-4)
    samples = [int(n) for n in read_table(out / "utt2num_samples").values()]
    assert samples == [19200, 27200, 48000]
    assert list(read_table(out / "text")) == keys[:3]
    assert not (out / "segments").exists()
    replace(data_dir / "segments", "s-rec1-2 rec1", "s-rec1-2 rec9")
    code, said = script(FORMAT, data_dir, out)
    assert code == 1 and "s-rec1-2 is of rec9, not in" in said


def test_nothing_usable_is_an_error(data_dir, tmp_path, script):
    code, said = script(FORMAT, "--min_seconds", 9, data_dir, tmp_path / "out")
    assert code == 1 and "no utterance of 4 can be used" in said
    assert not (tmp_path / "out/wav.scp").exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("text", "a-2 SENTENCE NUMBER 2", "a-2", "nothing after key 'a-2'"),
        ("text", "a-2 ", "a-1 ", "'a-1' comes twice"),
        ("text", "a-1 ", "c-1 ", "'a-2' comes after 'c-1'"),
        ("text", "b-2 ", "b-3 ", "'b-2' stands in wav.scp but not in text"),
        ("utt2spk", "b-2 b\n", "", "'b-2' stands in wav.scp but not in utt2spk"),
        ("wav.scp", "a-1 ", "a/1 ", "'a/1' holds a slash"),
        ("text", "a-1 SENTENCE NUMBER 1\n", "\n", "empty line"),
    ],
)
def test_a_faulty_table_is_refused_by_key(
    data_dir, tmp_path, script, name, old, new, message
):
    replace(data_dir / name, old, new)
    code, said = script(FORMAT, data_dir, tmp_path / "out")
    assert code == 1 and message in said and str(data_dir) in said
    assert "Traceback" not in said


def test_without_text_all_else_is_formatted(data_dir, tmp_path, script):
    (data_dir / "text").unlink()
    out = tmp_path / "out"
    code, said = script(FORMAT, data_dir, out)
    assert code == 0, said
    assert (out / "wav.scp").is_file() and not (out / "text").exists()
    code, said = script("scripts/make_pairs.py", out)
    assert code == 1 and f"{out}/text: no such file" in said


@pytest.mark.parametrize("name", ["wav.scp", "utt2spk"])
def test_a_missing_table_is_named(data_dir, tmp_path, script, name):
    (data_dir / name).unlink()
    code, said = script(FORMAT, data_dir, tmp_path / "out")
    assert code == 1 and f"{data_dir / name}: no such file" in said
