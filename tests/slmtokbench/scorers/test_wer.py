import pytest

from espnet_st.slmtokbench.scorers.wer import (
    Errors,
    corpus_wer,
    count_errors,
    wer_difference,
)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("A B C", "A B C", (0, 0, 0)),
        ("A B C", "A X C", (1, 0, 0)),
        ("A B C", "A C", (0, 1, 0)),
        ("A B", "A X B", (0, 0, 1)),
        ("A B C", "", (0, 3, 0)),
        ("", "A", (0, 0, 1)),
    ],
)
def test_counts(reference, hypothesis, expected):
    words = reference.split()
    assert count_errors(words, hypothesis.split()) == Errors(*expected, len(words))


def test_totals_agree_with_jiwer():
    jiwer = pytest.importorskip("jiwer")
    references = {"u1": "THE CAT SAT ON THE MAT", "u2": "GO HOME NOW", "u3": "YES"}
    hypotheses = {"u1": "THE CAT ON A MAT HERE", "u2": "GO NOW", "u3": "NO YES"}
    expected = 100 * jiwer.wer(list(references.values()), list(hypotheses.values()))
    found = corpus_wer(references, hypotheses)
    assert found["wer"] == pytest.approx(expected)
    assert found["low"] <= found["wer"] <= found["high"]


def test_the_rate_is_of_the_corpus_not_a_mean_of_rates():
    found = corpus_wer({"u": "A", "v": "A B C"}, {"u": "X", "v": "A B C"})
    assert found["wer"] == 25


def test_equal_errors_everywhere_leave_no_interval():
    found = corpus_wer({"u": "A B", "v": "C D"}, {"u": "A X", "v": "C X"})
    assert found["low"] == found["high"] == found["wer"] == 50


def test_a_hypothesis_without_reference_is_refused():
    with pytest.raises(ValueError, match="no reference text, e.g. w"):
        corpus_wer({"u": "A"}, {"w": "A"})


def test_paired_difference():
    """Two systems fail on the same hard utterances: only their difference counts."""
    references = {f"u{i}": "A B C D" for i in range(60)}
    worse, better = (
        {key: hard if i % 2 else easy for i, key in enumerate(references)}
        for hard, easy in (("X X X X", "X B C D"), ("X X X D", "A B C D"))
    )
    found = wer_difference(references, worse, better)
    assert found == {"points": 25.0, "low": 25.0, "high": 25.0, "utterances": 60}
    turned = wer_difference(references, better, worse)
    assert (turned["points"], turned["low"]) == (-25.0, -25.0)
    alone = corpus_wer(references, worse)
    assert alone["high"] - alone["low"] > 10


def test_paired_difference_is_over_common_utterances():
    references = {"u1": "A B", "u2": "C D", "u3": "E F"}
    found = wer_difference(references, {"u1": "A X", "u2": "C D"}, {"u1": "A B"})
    assert (found["points"], found["utterances"]) == (50.0, 1)
    with pytest.raises(ValueError, match="both systems"):
        wer_difference(references, {"u1": "A"}, {"u3": "E"})
