import importlib.util

import numpy as np
import pytest
import torch

from espnet_st.data.kaldi import TimedPhone
from espnet_st.slmtokbench.scorers.base import NotScored
from espnet_st.slmtokbench.tokens.abx import (
    abx_errors,
    find_triphones,
    hamming_distance,
)
from espnet_st.slmtokbench.tokens.coded_set import CodedSet

needs_fastabx = pytest.mark.skipif(
    importlib.util.find_spec("fastabx") is None, reason="fastabx is not installed"
)
PHONES = ("A", "B", "C")


def corpus(n=24):
    """Make K x K of three phones x by two speakers, and codes that are the phones."""
    alignments, speakers, labels = {}, {}, {}
    rng = np.random.default_rng(0)
    for number in range(n):
        key = f"u{number:02d}"
        middle = PHONES[number % 3]
        alignments[key] = [
            TimedPhone(0.1 * i, 0.1, p) for i, p in enumerate(("SIL", "K", middle, "K"))
        ]
        speakers[key] = "ab"[number // 3 % 2]
        labels[key] = np.repeat([3, 4, number % 3, 4], 5)
    noise = {key: rng.integers(50, size=20) for key in labels}
    return alignments, speakers, labels, noise


def test_triphones_have_no_silence_and_the_frames_whose_middle_is_theirs():
    alignments, _, labels, _ = corpus(1)
    (found,) = find_triphones(CodedSet.of(labels, 5, 50), alignments)
    assert found == ("u00", 5, 20, "K K", "A")


def test_phones_apart_are_no_triphone():
    phones = [TimedPhone(s, 0.1, "A") for s in (0.0, 0.1, 0.3, 0.4)]
    assert not find_triphones(
        CodedSet.of({"u": np.zeros(25, int)}, 5, 50), {"u": phones}
    )


def test_hamming_distance_by_hand():
    a = torch.tensor([[[1, 2], [3, 4]]])
    b = torch.tensor([[[1, 9]], [[3, 4]]])
    expected = [[[[0.5], [1.0]], [[1.0], [0.0]]]]
    assert hamming_distance(a, b).tolist() == expected


def test_without_fastabx_it_says_how_to_get_it(monkeypatch):
    alignments, speakers, labels, _ = corpus()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotScored, match="pip install fastabx"):
        abx_errors(CodedSet.of(labels, 5, 50), alignments, speakers)


@needs_fastabx
def test_codes_that_are_phones_err_never_and_noise_half_the_time():
    alignments, speakers, labels, noise = corpus(60)
    codes = {key: np.stack([labels[key], noise[key]]) for key in labels}
    found = abx_errors(CodedSet.of(codes, (5, 50), 50), alignments, speakers)
    assert found["distance"] == "hamming" and found["triphones"] == 60
    assert found["rvq1"] == {"within": 0, "across": 0}
    alone = abx_errors(CodedSet.of(noise, 50, 50), alignments, speakers)
    assert alone["rvq1"]["within"] == pytest.approx(0.5, abs=0.1)
    assert list(alone) == ["distance", "triphones", "rvq1"]


@needs_fastabx
def test_vectors_are_compared_by_angle():
    alignments, speakers, labels, _ = corpus()
    coded = CodedSet.of(labels, 5, 50)
    same = np.ones((5, 4)) * np.arange(1, 6)[:, None]  # one direction for all codes
    apart = abx_errors(coded, alignments, speakers, [np.eye(5)])
    assert apart["distance"] == "angular" and apart["rvq1"]["across"] == 0
    assert abx_errors(coded, alignments, speakers, [same])["rvq1"][
        "within"
    ] == pytest.approx(0.5, abs=0.2)


@needs_fastabx
def test_one_speaker_has_no_error_across_speakers():
    alignments, speakers, labels, _ = corpus()
    one = dict.fromkeys(speakers, "a")
    found = abx_errors(CodedSet.of(labels, 5, 50), alignments, one)
    assert found["rvq1"] == {"within": 0, "across": None}


@needs_fastabx
def test_no_triphone_and_times_of_other_audio_are_refused():
    alignments, speakers, labels, _ = corpus()
    coded = CodedSet.of(labels, 5, 50)
    with pytest.raises(ValueError, match="no triphone in 24 utterances"):
        one_phone = {key: [TimedPhone(0, 0.4, "A")] for key in alignments}
        abx_errors(coded, one_phone, speakers)
    with pytest.raises(ValueError, match="phones end after the codes"):
        abx_errors(CodedSet.of(labels, 5, 500), alignments, speakers)
