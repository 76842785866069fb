"""Speech: each backend's signal, phone times and shifts; refusals."""

import numpy as np
import pytest
from phones import ARPABET, SILENCE, common_phones, common_segments
from synthesize import EDGE, LEVEL, SAMPLE_RATE, speak
from voices import TRAINING, UNSEEN, Voice

BACKENDS = {voice.backend: voice for voice in (*TRAINING, *UNSEEN)}
TEXT = "THE BOY MEASURED THE TREASURE NEAR THE CHURCH"


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_phone_times_cover_the_signal_and_its_energy(backend):
    ((wav, segments),) = speak(BACKENDS[backend], [TEXT])
    assert wav.dtype == np.float32 and wav.ndim == 1
    assert 1.5 < len(wav) / SAMPLE_RATE < 4.0
    assert np.sqrt(np.mean(wav**2)) == pytest.approx(LEVEL, rel=0.05)
    starts = [start for start, _, _ in segments]
    ends = [end for _, end, _ in segments]
    assert starts[0] == 0.0 and ends[-1] == pytest.approx(len(wav) / SAMPLE_RATE)
    assert starts[1:] == ends[:-1] and all(np.diff(starts) > 0)
    names = [phone for _, _, phone in segments]
    assert names[0] == names[-1] == SILENCE
    assert set(names) <= ARPABET | {SILENCE}
    assert {"ZH", "CH", "OY"} <= set(names)
    assert ends[0] == pytest.approx(EDGE, abs=0.001)
    # Speech begins and ends with its phones: the edges are nearly silent, and the
    # vowel of BOY is among the loudest.
    level = {i: np.std(_cut(wav, s, e)) for i, (s, e, _) in enumerate(segments)}
    assert max(level[0], level[len(names) - 1]) < 0.3 * max(level.values())
    assert level[names.index("OY")] > 0.5 * max(level.values())


def _cut(wav, start, end):
    return wav[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]


def test_the_same_again_in_a_new_process_and_another_with_another_voice():
    voice = BACKENDS["flite"]
    first, again = (speak(voice, [TEXT])[0] for _ in range(2))
    assert np.array_equal(first[0], again[0]) and first[1] == again[1]
    other = Voice("x", "flite", voice.base, voice.playback * 1.1, voice.f0, 1.1)
    assert len(speak(other, [TEXT])[0][0]) < 0.95 * len(first[0])


def test_playback_keeps_the_tempo_and_raises_the_pitch():
    def pitch(wav):
        spectrum = np.abs(np.fft.rfft(wav)) ** 2
        lag = np.fft.irfft(spectrum)[SAMPLE_RATE // 350 : SAMPLE_RATE // 70]
        return SAMPLE_RATE / (np.argmax(lag) + SAMPLE_RATE // 350)

    low, high = (
        speak(Voice("v", "flite", "slt", playback, 150.0), [TEXT])[0][0]
        for playback in (1.0, 1.25)
    )
    assert len(high) == pytest.approx(len(low), rel=0.05)
    assert pitch(high) == pytest.approx(1.25 * pitch(low), rel=0.08)


def test_common_segments_splits_joins_and_drops():
    rows = [(0.0, 0.1, "_:"), (0.1, 0.2, "_"), (0.2, 0.4, "A@"), (0.4, 0.5, ";")]
    rows += [(0.5, 0.5, "t"), (0.5, 0.6, "oU")]
    named = common_segments(rows, "espeak")
    assert [phone for _, _, phone in named] == [SILENCE, "AA", "R", "OW"]
    times = [(round(start, 3), round(end, 3)) for start, end, _ in named]
    assert times == [(0.0, 0.2), (0.2, 0.3), (0.3, 0.5), (0.5, 0.6)]


def test_phone_tables():
    assert common_phones("axr", "festival") == ("ER",)
    assert common_phones("dh", "flite") == ("DH",)
    with pytest.raises(ValueError, match="'qq'.*'flite'"):
        common_phones("qq", "flite")


@pytest.mark.parametrize(
    ("voice", "message"),
    [
        (Voice("v", "parrot", "x"), "'parrot'.*want one of"),
        (Voice("v", "espeak", "no-such-voice"), "no voice 'no-such-voice'"),
    ],
)
def test_unknown_voices_are_refused(voice, message):
    with pytest.raises(ValueError, match=message):
        speak(voice, [TEXT])


def test_a_missing_synthesizer_is_named_with_its_package(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="apt-get install flite"):
        speak(Voice("v", "flite", "slt"), [TEXT])
