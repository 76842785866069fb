import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from espnet_st.slmtokbench.scorers.base import Item, NotScored
from espnet_st.slmtokbench.scorers.quality import trim_to_shorter
from espnet_st.slmtokbench.scorers.registry import build_scorer


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


def test_signals_are_cut_to_the_shorter(voice):
    first, second = trim_to_shorter(voice, voice[:-100])
    assert len(first) == len(second) == len(voice) - 100


def test_silence_is_named(voice):
    with pytest.raises(ValueError, match="resynthesis is silent"):
        trim_to_shorter(voice, np.zeros_like(voice))


def test_too_short_for_stoi_is_an_error_not_a_number(voice):
    with pytest.raises(ValueError, match="too little speech"):
        build_scorer("stoi", {}).compare(voice[:2000], voice[:2000])


def test_missing_package_is_not_scored(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pystoi", None)
    with pytest.raises(NotScored, match="pystoi is not installed"):
        build_scorer("stoi", {})


def test_files_of_another_rate_and_stereo_are_heard_alike(voice, tmp_path):
    """A scorer hears at its own rate, whatever the codec's."""
    scorer, paths = build_scorer("stoi", {}), {}
    for rate in (16000, 24000):
        wav = resample_poly(voice, rate, 16000) / 30
        paths[rate] = tmp_path / f"{rate}.wav"
        soundfile.write(paths[rate], np.stack([wav, wav], 1), rate, subtype="FLOAT")
    assert scorer.read(paths[24000]).shape == (len(voice),)
    item = Item("u", paths[24000], paths[16000])
    assert scorer.measure(item) == pytest.approx(1, abs=1e-3)


def test_no_original_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no original"):
        build_scorer("stoi", {}).measure(Item("u", tmp_path / "a.wav"))
