import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from espnet_st.slmtokbench.scorers.base import Item
from espnet_st.slmtokbench.scorers.measuring import Measurer, Result
from espnet_st.slmtokbench.scorers.quality import trim_to_shorter
from espnet_st.slmtokbench.scorers.registry import (
    build_scorer,
    find_scorer,
    quality_columns,
)

PROMPT = Path(__file__).parents[2] / "trained/prompts/espf-test-0000.flac"
"""Speech of a synthesizer."""


@pytest.fixture(scope="module")
def voice():
    """Two seconds of noise in syllables: enough for scores that need pauses."""
    rng = np.random.default_rng(0)
    time = np.arange(32000) / 16000
    envelope = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1)
    tones = sum(np.sin(2 * np.pi * f * time) / f for f in (150, 300, 600, 1200, 2400))
    return (envelope * (tones * 60 + 0.05 * rng.standard_normal(32000)) * 0.3).astype(
        np.float32
    )


@pytest.mark.parametrize(("name", "best"), [("stoi", 1.0), ("pesq", 4.64)])
def test_itself_is_best_and_noise_is_worse(voice, name, best):
    scorer = build_scorer(name, {})
    assert scorer.compare(voice, voice) == pytest.approx(best, abs=0.01)
    noise = np.random.default_rng(1).standard_normal(len(voice)).astype(np.float32)
    noisy = [scorer.compare(voice, voice + level * noise) for level in (0.01, 0.1)]
    assert best > noisy[0] > noisy[1]


def test_mel_distance_of_a_louder_copy_is_the_log_of_its_gain(voice):
    scorer = build_scorer("mel", {})
    rng = np.random.default_rng(2)
    noise = rng.standard_normal(16000).astype(np.float32)  # no bin near the floor
    assert scorer.compare(noise, noise) == 0
    for gain in (0.5, 2.0):
        distance = scorer.compare(noise, gain * noise)
        assert distance == pytest.approx(abs(math.log(gain)), abs=1e-4)
    with pytest.raises(ValueError, match="512 samples are too few"):
        scorer.compare(noise[:512], noise[:512])
    assert scorer.compare(noise[:513], noise[:513]) == 0


def test_mel_distance_has_hifigans_filters():
    librosa = pytest.importorskip("librosa")
    scorer = build_scorer("mel", {})
    theirs = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=80, fmin=0, fmax=8000)
    ours = scorer.transform.mel_scale.fb.T.numpy()
    assert np.allclose(ours, theirs, atol=1e-5)


@pytest.fixture(scope="module")
def speech():
    return soundfile.read(PROMPT, dtype="float32")


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("dnsmos", ["dnsmos", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808"]),
        ("distillmos", ["distillmos"]),
    ],
)
def test_opinion_of_clean_speech_is_above_that_of_noisy_speech(name, figures, tmp_path):
    """The real models; they need no original."""
    pytest.importorskip({"dnsmos": "speechmos.dnsmos"}.get(name, name))
    pytest.importorskip("onnxruntime" if name == "dnsmos" else "torch")
    scorer, opinions = build_scorer(name, {}), []
    wav, rate = soundfile.read(PROMPT, dtype="float32")
    noise = np.random.default_rng(1).standard_normal(len(wav)) * np.abs(wav).max()
    for level in (0.0, 0.3):
        path = tmp_path / f"{level}.wav"
        soundfile.write(path, wav + level * noise, rate, subtype="FLOAT")
        opinions.append(scorer.measure(Item("u", path)))
    clean, noisy = opinions
    assert list(clean) == figures == list(quality_columns([name], {}))
    assert all(1 <= value <= 5 for value in (*clean.values(), *noisy.values()))
    assert clean[name] > noisy[name] + 0.3
    assert scorer.measure(Item("u", tmp_path / "0.0.wav")) == clean


def test_files_without_speech_have_no_opinion(tmp_path, speech):
    pytest.importorskip("speechmos")
    measurer = Measurer({})
    assert measurer.build(find_scorer("dnsmos")) is None
    wav, _ = speech
    files = {
        "silent": np.full(16000, 5e-5),
        "too short": wav[:4000],
        "NaN": np.full(16000, np.nan),
        "cannot read": None,
    }
    for why, samples in files.items():
        path = tmp_path / f"{why}.wav"
        if samples is not None:
            soundfile.write(path, samples, 16000, subtype="FLOAT")
        outcome = measurer.measure(Item("u", path))
        assert outcome.result is Result.FAILED and why in outcome.content


def test_signals_are_cut_to_the_shorter(voice):
    first, second = trim_to_shorter(voice, voice[:-100])
    assert len(first) == len(second) == len(voice) - 100


def test_a_file_of_another_length_is_no_copy(voice):
    with pytest.raises(ValueError, match="32000 samples and the resynthesis 16000 at"):
        trim_to_shorter(voice, voice[:16000])
    with pytest.raises(ValueError, match="are they of the same utterance"):
        trim_to_shorter(voice[:16000], voice)


def test_silence_is_named(voice):
    with pytest.raises(ValueError, match="resynthesis is silent"):
        trim_to_shorter(voice, np.zeros_like(voice))
    with pytest.raises(ValueError, match="original is silent"):
        trim_to_shorter(np.full_like(voice, 1e-5), voice)


def test_too_short_for_stoi_is_an_error_not_a_number(voice):
    with pytest.raises(ValueError, match="too little speech"):
        build_scorer("stoi", {}).compare(voice[:2000], voice[:2000])


def test_files_of_another_rate_and_stereo_are_heard_alike(voice, tmp_path):
    """A scorer hears at its own rate, whatever the codec's."""
    scorer, paths = build_scorer("stoi", {}), {}
    for rate in (16000, 24000):
        wav = resample_poly(voice, rate, 16000) / 30
        paths[rate] = tmp_path / f"{rate}.wav"
        soundfile.write(paths[rate], np.stack([wav, wav], 1), rate, subtype="FLOAT")
    assert scorer.read(paths[24000]).shape == (len(voice),)
    item = Item("u", paths[24000], paths[16000])
    assert scorer.measure(item) == {"stoi": pytest.approx(1, abs=1e-3)}


def test_no_original_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no original"):
        build_scorer("stoi", {}).measure(Item("u", tmp_path / "a.wav"))
