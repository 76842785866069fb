"""Stability and speed, with tokenizers whose answers are known."""

import time

import numpy as np
import pytest

from espnet_st.slmtokbench.tokens.speed import speed
from espnet_st.slmtokbench.tokens.stability import stability
from espnet_st.slmtokbench.tokens.tokenizer import Tokenizer, check_length

HOP = 8


def frames_of(wav):
    return np.pad(wav, (0, -len(wav) % HOP)).reshape(-1, HOP)


def encode(wavs):
    """Encode a frame: the sign of its sum, and digits of it that any noise turns."""
    rows = [frames_of(wav) for wav in wavs]
    return [
        np.stack(
            [(f.sum(axis=1) > 0).astype(int), (np.abs(f).sum(axis=1) * 1e5) % 97]
        ).astype(int)
        for f in rows
    ]


def speech(n=6, frames=60, seed=0):
    """Frames of one level each, far from 0."""
    rng = np.random.default_rng(seed)
    levels = rng.choice([-1, 1], size=(n, frames)) * rng.uniform(0.5, 1, (n, frames))
    return {
        f"u{k}": np.repeat(row, HOP).astype(np.float32) for k, row in enumerate(levels)
    }


def test_shares_that_are_known():
    found = stability(Tokenizer(encode, HOP, 16000), speech())
    assert list(found) == [
        *("shift_sample", "shift_quarter", "shift_half", "shift_frame"),
        *("zeros_before", "zeros_after", "snr_40", "snr_30"),
    ]
    for name in ("shift_frame", "zeros_before", "zeros_after"):
        assert [one.value for one in found[name].values()] == [1, 1, 1], name
    # The sign outlasts a quarter of a frame and faint noise; the digits nothing.
    for name in ("shift_sample", "shift_quarter", "snr_40", "snr_30"):
        assert found[name]["rvq1"].value > 0.99, name
        assert found[name]["rvq2"].value < 0.3, name
        assert found[name]["all"].value <= found[name]["rvq2"].value
    # Half a frame: right where the neighbour has the same sign, or the louder one wins.
    half = found["shift_half"]["rvq1"]
    assert 0.6 < half.value < 0.9 and half.low < half.value < half.high


def test_noise_depends_on_seed_and_utterance_alone():
    tokenizer, whole = Tokenizer(encode, HOP, 16000), speech()
    part = {key: whole[key] for key in ("u3", "u1")}
    one, again, other = (stability(tokenizer, part, seed) for seed in (0, 0, 1))
    assert one["snr_30"]["rvq2"].value == again["snr_30"]["rvq2"].value
    assert one["snr_30"]["rvq2"].value != other["snr_30"]["rvq2"].value


def test_silence_keeps_its_codes():
    silent = {
        "u": np.zeros(40 * HOP, np.float32),
        "v": np.zeros(9 * HOP + 3, np.float32),
    }
    for parts in stability(Tokenizer(encode, HOP, 16000), silent).values():
        assert all(one.value == 1 for one in parts.values())


@pytest.mark.parametrize(
    ("wavs", "message"),
    [
        ({}, "no speech"),
        ({"u": np.zeros(HOP)}, "at least two frames, 16 samples"),
        ({"u": np.zeros((2, 100))}, r"shape \(2, 100\); expected \(N,\)"),
        ({"u": np.full(100, np.nan)}, "speech of u holds NaN"),
    ],
)
def test_speech_that_cannot_be_used_is_refused(wavs, message):
    for measure in (stability, speed):
        with pytest.raises(ValueError, match=message):
            measure(Tokenizer(encode, HOP, 16000), wavs)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda wavs: [], "0 encodings of 6 signals"),
        (lambda wavs: [np.zeros((2, 5), int)] * len(wavs), "60.0 frames of 8, and 5"),
        (lambda wavs: [e * np.nan for e in encode(wavs)], "no integers"),
    ],
)
def test_encodings_that_are_none_are_refused(broken, message):
    with pytest.raises(ValueError, match=message):
        stability(Tokenizer(broken, HOP, 16000), speech())


def test_audio_of_another_length_than_its_codes_is_refused():
    codes = np.zeros((1, 50), int)
    check_length("u", codes, 16000, 320)
    check_length("u", codes[:, :49], 16000, 320)
    with pytest.raises(ValueError, match="u has 24000 samples, 75.0 frames of 320"):
        check_length("u", codes, 24000, 320)


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_speed_counts_processor_time_per_second_of_speech():
    def slow(wavs):
        busy(0.004 * len(wavs))
        time.sleep(0.01)  # no processor time
        return encode(wavs)

    def decode(codes):
        busy(0.002 * len(codes))
        return codes

    wavs = {key: np.tile(wav, 4) for key, wav in speech(3, 500).items()}  # 1 s each
    found = speed(Tokenizer(slow, HOP, 16000, decode), wavs, passes=3)
    assert found["seconds"] == pytest.approx(3)
    assert found["encode_rtf"] == pytest.approx(0.004, rel=0.5)
    assert found["decode_rtf"] == pytest.approx(0.002, rel=0.5)
    assert found["threads"] >= 1 and found["passes"] == 3
    assert speed(Tokenizer(encode, HOP, 16000), wavs, 1)["decode_rtf"] is None
