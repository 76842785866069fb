import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from espnet_st.data.kaldi import TimedPhone
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts, frame_phones


def table(counts):
    counts = np.asarray(counts)
    return CodePhoneCounts(tuple("ABCDEFGH"[: len(counts)]), counts, 0)


def test_independent_codes_know_nothing():
    assert table(np.outer([1, 2, 3], [4, 5])).summary()["pnmi"] == pytest.approx(
        0, abs=1e-12
    )


def test_one_code_per_phone_knows_all():
    summary = table(np.diag([3, 5, 7])).summary()
    assert summary["pnmi"] == pytest.approx(1)
    assert summary["phone_purity"] == summary["cluster_purity"] == pytest.approx(1)


def test_agrees_with_sklearn():
    rng = np.random.default_rng(0)
    phones = rng.integers(7, size=4000)
    codes = (phones * 3 + rng.integers(9, size=4000)) % 16
    counts = np.zeros((7, 16), dtype=int)
    np.add.at(counts, (phones, codes), 1)
    expected = mutual_info_score(phones, codes) / mutual_info_score(phones, phones)
    assert table(counts).summary()["pnmi"] == pytest.approx(expected, abs=1e-12)


def test_usage_and_entropy():
    summary = table([[4, 4, 0, 0], [0, 0, 0, 0]]).summary()
    assert (summary["used"], summary["codebook_size"]) == (2, 4)
    assert summary["entropy"] == pytest.approx(1)
    assert summary["perplexity"] == pytest.approx(2)


def test_a_frame_belongs_to_the_phone_that_fills_most_of_it():
    # Frames of 20 ms: A ends at 25 ms, B has 15 of the next 20 ms.
    segments = [TimedPhone(0.0, 0.025, "A"), TimedPhone(0.025, 0.035, "B")]
    assert frame_phones(segments, 4, 50) == ["A", "B", "B", None]


def test_frames_without_phone_are_counted_apart():
    counts = CodePhoneCounts.count(
        {"u": [0, 1, 1]}, {"u": [TimedPhone(0, 0.04, "A")]}, 2, 50
    )
    assert counts.counts.tolist() == [[1, 1]]
    assert counts.skipped == 1


def test_nothing_in_common_is_refused():
    with pytest.raises(ValueError, match="None of 1 coded utterances"):
        CodePhoneCounts.count({"u": [0]}, {"v": [TimedPhone(0, 1, "A")]}, 2, 50)


def test_codes_are_sorted_by_their_commonest_phone_and_then_by_how_sure_it_is():
    #         code:  0  1  2  3  4
    counts = table([[0, 3, 0, 4, 1], [5, 1, 0, 0, 3]])
    assert counts.sorted_codes().tolist() == [3, 1, 0, 4, 2]


def test_of_phones_of_equal_share_the_earlier_has_the_frame():
    segments = [TimedPhone(0.01, 0.01, "B"), TimedPhone(0.0, 0.01, "A")]
    assert frame_phones(segments, 1, 50) == ["A"]
    assert frame_phones([], 2, 50) == [None, None]


def test_frames_equal_those_of_a_loop():
    rng = np.random.default_rng(0)
    edges = np.sort(rng.uniform(0, 3, 40))
    segments = [
        TimedPhone(a, b - a, f"p{n}") for n, (a, b) in enumerate(zip(edges, edges[1:]))
    ]
    del segments[::7]

    def overlap(segment, t):
        end = segment.start + segment.duration
        return min(end * 75, t + 1) - max(segment.start * 75, t)

    expected = []
    for t in range(230):
        best = max(segments, key=lambda s: overlap(s, t))
        expected.append(best.phone if overlap(best, t) > 1e-9 else None)
    assert frame_phones(segments, 230, 75) == expected
    assert len(set(expected)) > 20


def test_codes_out_of_range_are_refused():
    phones = {"u": [TimedPhone(0, 0.06, "A")]}
    with pytest.raises(
        ValueError, match=r"codes of u lie in \[-1, 2\]; expected \[0, 2\]"
    ):
        CodePhoneCounts.count({"u": [0, -1, 2]}, phones, 3, 50)


def test_times_in_milliseconds_are_refused():
    phones = {"u": [TimedPhone(0, 60, "A")]}
    with pytest.raises(ValueError, match="phones end after the codes in 1 of 1"):
        CodePhoneCounts.count({"u": [0, 1, 2]}, phones, 3, 50)


def test_conditional_columns_sum_to_one_or_are_empty():
    share = table([[1, 0], [3, 0]]).phones_by_code()
    assert share.sum(axis=0).tolist() == [1, 0]
