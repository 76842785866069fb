"""Loudness against the figures of ITU-R BS.1770-4 and EBU Tech 3341; gains."""

import numpy as np
import pytest

from espnet_st.slmtokbench.listening.loudness import (
    HEADROOM,
    LOWEST,
    _biquads,
    integrated_loudness,
    matching_gains,
)

RATES = (8000, 16000, 22050, 24000, 44100, 48000)


def sine(rate, decibels, seconds, frequency=997.0):
    time = np.arange(round(seconds * rate)) / rate
    return 10 ** (decibels / 20) * np.sin(2 * np.pi * frequency * time)


def test_filters_at_48_khz_are_those_of_the_recommendation():
    (b, a), (b_high, a_high) = _biquads(48000)
    assert b == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285])
    assert a == pytest.approx([1.0, -1.69065929318241, 0.73248077421585])
    assert b_high == [1.0, -2.0, 1.0]
    assert a_high == pytest.approx([1.0, -1.99004745483398, 0.99007225036621])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("decibels", [0.0, -20.0])
def test_a_sine_in_one_channel_has_its_level_less_3_01(rate, decibels):
    found = integrated_loudness(sine(rate, decibels, 3), rate)
    assert found == pytest.approx(decibels - 3.01, abs=0.15)


@pytest.mark.parametrize("rate", RATES[1:])
def test_filters_are_alike_at_all_rates(rate):
    for frequency in (60, 200, 1000, 2000, 4000):
        at_48 = integrated_loudness(sine(48000, -20, 1, frequency), 48000)
        found = integrated_loudness(sine(rate, -20, 1, frequency), rate)
        assert found == pytest.approx(at_48, abs=0.5)


@pytest.mark.parametrize(
    "levels",
    [
        [(-36, 10), (-23, 60), (-36, 10)],  # EBU Tech 3341, case 3
        [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)],  # case 4
    ],
)
def test_quiet_stretches_are_gated(levels):
    # The cases are of two channels, each 3.01 dB louder than one alone.
    rate = 8000
    wav = np.concatenate([sine(rate, level + 3.01, s) for level, s in levels])
    assert integrated_loudness(wav, rate) == pytest.approx(-23.0, abs=0.15)


def test_what_is_shorter_than_a_block_is_one_block():
    assert integrated_loudness(sine(16000, -10, 0.2), 16000) == pytest.approx(
        -13.0, abs=0.3
    )


def test_silence_has_no_loudness():
    assert integrated_loudness(np.zeros(16000), 16000) == -np.inf
    assert integrated_loudness(sine(16000, -75, 1), 16000) == -np.inf


def noise(level, seed):
    return level * np.random.default_rng(seed).normal(size=16000)


def test_gains_make_sounds_equally_loud():
    wavs = {f"{level}": noise(level, 0) for level in (0.001, 0.05, 0.3)}
    gains, reached, exceptions = matching_gains(wavs, 16000, -23.0)
    assert (reached, exceptions) == (-23.0, {})
    for name, wav in wavs.items():
        found = integrated_loudness(gains[name] * wav, 16000)
        assert found == pytest.approx(-23.0, abs=0.05)


def test_one_peak_makes_all_sounds_quieter_and_nothing_clips():
    peaky = noise(0.02, 1)
    peaky[5000] = 0.9
    wavs = {"peaky": peaky, "plain": noise(0.1, 2)}
    gains, reached, exceptions = matching_gains(wavs, 16000, -23.0)
    assert exceptions == {} and -23.0 - LOWEST < reached < -23.0
    for name, wav in wavs.items():
        assert np.abs(gains[name] * wav).max() <= HEADROOM + 1e-9
        found = integrated_loudness(gains[name] * wav, 16000)
        assert found == pytest.approx(reached, abs=0.05)


def test_a_click_does_not_drag_all_others_down():
    click = noise(1e-3, 3)
    click[5000] = 0.99
    wavs = {"click": click, "plain": noise(0.1, 4)}
    gains, reached, exceptions = matching_gains(wavs, 16000, -13.0)
    assert reached == -13.0 - LOWEST
    assert list(exceptions) == ["click"] and "quieter than the others" in str(
        exceptions
    )
    assert np.abs(gains["click"] * click).max() == pytest.approx(HEADROOM)


def test_what_is_silent_stays_and_is_named():
    wavs = {"silent": np.zeros(8000), "plain": noise(0.1, 5)}
    gains, reached, exceptions = matching_gains(wavs, 16000, -23.0)
    assert gains["silent"] == 1.0 and reached == -23.0
    assert exceptions == {"silent": "silent: left as it is"}
