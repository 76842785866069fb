"""Sets of anybody's tokens: matched, checked, split."""

import numpy as np
import pytest

from espnet_st.slmtokbench.token_sets import (
    TokenSet,
    infer_rate,
    infer_sizes,
    of_other_length,
    out_of_range,
    split,
    write_set,
)


def make(n, frames=10):
    codes = {f"u{i}": np.full((2, frames), i) for i in range(n)}
    return TokenSet(codes, {key: "words" for key in codes})


def test_codes_without_text_and_text_without_codes_are_named():
    one = make(3)
    one.texts = {"u0": "words", "u1": " ", "x": "words"}
    one.match()
    assert one.texts == {"u0": "words"}
    assert one.codes.keys() == {"u0", "u1", "u2"}  # for the figures of codes
    assert one.left_out == {
        "u1": "its transcript is empty",
        "u2": "no transcript",
        "x": "a transcript and no codes",
    }


def test_codes_out_of_range_are_found_by_layer():
    codes = {"good": np.array([[0, 3], [0, 1]]), "bad": np.array([[0, 3], [0, 2]])}
    assert out_of_range(codes, (4, 2)) == {
        "bad": "codes of layer 2 lie in [0, 2]; expected [0, 1]"
    }
    assert out_of_range({"low": np.array([[-1]])}, (4,)).keys() == {"low"}


def test_sizes_are_the_largest_codes_and_one_more():
    one = TokenSet({"a": np.array([[1, 7], [3, 0]]), "b": np.array([[2], [5]])})
    assert infer_sizes([one]) == (8, 6)


def test_the_rate_is_that_of_most_utterances():
    codes = {key: np.zeros((1, n), int) for key, n in (("a", 51), ("b", 99), ("c", 30))}
    seconds = {"a": 1.0, "b": 2.0, "c": 2.0}
    assert infer_rate(codes, seconds) == 50
    assert of_other_length(codes, seconds, 50.0).keys() == {"c"}
    with pytest.raises(ValueError, match="give --frame-rate"):
        infer_rate(codes, {})


def test_a_set_is_split_by_speaker_and_the_same_by_a_seed():
    one, speakers = make(12), {f"u{i}": f"s{i % 4}" for i in range(12)}
    train, test, said = split(one, speakers, 1)
    assert train.texts.keys() | test.texts.keys() == one.texts.keys()
    assert not {speakers[k] for k in train.texts} & {speakers[k] for k in test.texts}
    assert len(test.texts) == 3 and "split by speaker with seed 1" in said
    assert split(one, speakers, 1)[1].texts.keys() == test.texts.keys()


def test_one_speaker_alone_is_split_by_utterance_and_it_is_said():
    train, test, said = split(make(10), {f"u{i}": "s" for i in range(10)}, 0)
    assert (len(train.texts), len(test.texts)) == (8, 2)
    assert "there is one speaker" in said


def test_one_utterance_cannot_be_split():
    with pytest.raises(ValueError, match="expected at least two"):
        split(make(1), None, 0)


def test_written_sets_hold_what_has_codes_and_text(tmp_path):
    from espnet_st.codes import CodesReader

    one = make(3)
    del one.texts["u1"]
    for _ in range(2):  # afresh each time
        write_set(tmp_path, one)
    reader = CodesReader(tmp_path / "codes.scp")
    assert set(reader) == {"u0", "u2"}
    np.testing.assert_array_equal(reader["u2"].numpy(), one.codes["u2"])
