"""What people bring: taken, or refused with a sentence that helps."""

import numpy as np
import pytest
import torch

from espnet_st.data.audio import load_audio
from espnet_st.demo.inputs import Limits, check_text, read_speech

LIMITS = Limits(seconds=2.0, megabytes=0.5, characters=20)
RATE = 16000


def test_any_format_rate_and_channels_become_the_models(write, noise):
    path = write(np.stack([noise, 0.5 * noise], axis=1), 48000, "voice.ogg")
    wav = read_speech(path, RATE, LIMITS)
    assert wav.shape == (RATE // 2,) and wav.dtype == torch.float32
    assert torch.equal(wav, load_audio(path, RATE))


def test_speech_that_is_missing_is_named():
    with pytest.raises(ValueError, match="no second voice yet: record it, or drop"):
        read_speech(None, RATE, LIMITS, "second voice")


def refused(path):
    """The sentence; it names the file and no directory of the server."""
    with pytest.raises(ValueError) as caught:
        read_speech(path, RATE, LIMITS)
    sentence = str(caught.value)
    folder, _, name = path.rpartition("/")
    assert sentence.startswith(f"{name} ") and folder not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize(
    "samples, sentence",
    [
        (np.zeros(0), "lasts 0.00 seconds: give at least 0.1"),
        (np.full(800, 0.1), "lasts 0.05 seconds: give at least 0.1"),
        (np.full(40000, 0.1), "lasts 2.5 seconds; this page takes up to 2: trim it"),
        (np.full(RATE, 5e-5), "is silent: check the microphone"),
        (np.array([np.nan] * RATE), "cannot be used: audio has NaN or infinite"),
        (np.array([[0.1, -0.1]] * RATE), "cannot be used: channels reach 0.1"),
    ],
)
def test_samples_that_are_no_speech(write, samples, sentence):
    assert sentence in refused(write(samples.astype("float32"), RATE, subtype="FLOAT"))


@pytest.mark.parametrize("content", [b"fLaC" + bytes(range(256)), b"hello", b"RIFF"])
def test_a_file_that_is_no_audio(tmp_path, content):
    path = tmp_path / "notes.wav"
    path.write_bytes(content)
    assert "cannot be read as audio: it is damaged, or of another" in refused(str(path))


def test_a_file_that_was_cut(write, noise, tmp_path):
    path = write(noise)
    with open(path, "r+b") as stream:
        stream.truncate(9044)
    assert "(truncated: 9000 bytes of 48000 are there)" in refused(path)


def test_an_empty_file(tmp_path):
    (tmp_path / "a.wav").touch()
    assert "is empty: record again" in refused(str(tmp_path / "a.wav"))


def test_a_file_that_is_too_large_is_not_opened(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(bytes(2**20))
    assert "has 1.0 MB; this page takes up to 0.5 MB" in refused(str(path))


def test_texts():
    assert check_text("  two words \n", LIMITS) == "two words"
    with pytest.raises(ValueError, match="no text yet: type some words"):
        check_text(" \n", LIMITS)
    with pytest.raises(ValueError, match="text has 21 characters; .* up to 20: short"):
        check_text("a" * 21, LIMITS)


@pytest.mark.parametrize(
    "limits, name",
    [
        (Limits(seconds=0.1), "max_seconds is 0.1"),
        (Limits(seconds=float("nan")), "max_seconds is nan"),
        (Limits(megabytes=0), "max_megabytes is 0"),
        (Limits(characters=-1), "max_characters is -1"),
    ],
)
def test_limits_that_leave_nothing(limits, name):
    with pytest.raises(ValueError, match=f"{name}: give more than"):
        limits.check()
