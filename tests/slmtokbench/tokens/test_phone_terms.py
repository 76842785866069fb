import numpy as np
import pytest

from espnet_st.slmtokbench.bootstrap import draw_weights
from espnet_st.slmtokbench.tokens.phone_terms import phone_terms
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts, FrameLabels
from espnet_st.slmtokbench.tokens.shares import shares

PHONES, SIZE = 6, 16


def corpus(seed, utterances, frames=40):
    """Codes that tell the phone three times of four, and some frames without phone."""
    rng = np.random.default_rng(seed)
    codes, rows = {}, {}
    for number in range(utterances):
        key = f"{seed}-{number}"
        # Utterances differ: each prefers some of the phones.
        share = rng.dirichlet(np.ones(PHONES))
        rows[key] = rng.choice(PHONES, frames, p=share)
        told = rows[key] * 2 + rng.integers(2, size=frames)
        codes[key] = np.where(rng.random(frames) < 0.75, told, rng.integers(SIZE))
        rows[key][::9] = -1
    return codes, FrameLabels(tuple("ABCDEF"), rows)


def estimates(codes, labels):
    table = CodePhoneCounts.count_labels(codes, labels, SIZE)
    return table, shares(phone_terms(codes, labels, table))


def test_values_are_those_of_the_table():
    table, found = estimates(*corpus(0, 30))
    summary = table.summary()
    for name in ("pnmi", "phone_purity", "cluster_purity"):
        assert found[name].value == pytest.approx(summary[name], abs=1e-12)


def test_width_is_that_of_tables_counted_again_in_each_draw():
    codes, labels = corpus(1, 400)
    _, found = estimates(codes, labels)
    keys = sorted(labels.rows)
    counts = [
        CodePhoneCounts.count_labels(
            codes, FrameLabels(labels.phones, {key: labels.rows[key]}), SIZE
        ).counts
        for key in keys
    ]
    tables = np.tensordot(draw_weights(keys)[:300], np.array(counts), axes=1)
    # Two codes of a phone are about as common here: a table counted again takes the
    # commoner one in each draw, which makes cluster purity vary less.
    for name, widest, least in (
        ("pnmi", 1.1, 0.95),
        ("phone_purity", 1.1, 0.9),
        ("cluster_purity", 1.35, 0.75),
    ):
        again = np.array(
            [CodePhoneCounts(labels.phones, t, 0).summary()[name] for t in tables]
        )
        drawn = found[name].draws[:300]
        assert 0.9 < drawn.std() / again.std() < widest, name
        assert np.corrcoef(drawn, again)[0, 1] > least, name


def test_counting_again_lifts_pnmi_of_small_corpora_and_the_terms_do_not():
    codes, labels = corpus(2, 8)
    table, found = estimates(codes, labels)
    keys = sorted(labels.rows)
    again = []
    for weights in draw_weights(keys)[:200].astype(int):
        drawn = sum(
            weight
            * CodePhoneCounts.count_labels(
                codes, FrameLabels(labels.phones, {key: labels.rows[key]}), SIZE
            ).counts
            for key, weight in zip(keys, weights)
        )
        again.append(CodePhoneCounts(labels.phones, drawn, 0).summary()["pnmi"])
    value, one = table.summary()["pnmi"], found["pnmi"]
    assert np.mean(again) > value + 0.01
    assert one.low < value < one.high
    assert abs(np.nanmean(one.draws) - value) < 0.01


def test_intervals_cover_the_expected_figure():
    """Of 60 corpora, about 57 have what such corpora have on average inside."""
    results = [estimates(*corpus(seed, 40))[1] for seed in range(100, 160)]
    for name in ("pnmi", "phone_purity"):
        expected = np.mean([one[name].value for one in results])
        inside = [one[name].low <= expected <= one[name].high for one in results]
        assert sum(inside) >= 51


def test_one_phone_only_is_zero():
    codes = {"u": [0, 1, 1], "v": [1, 0, 1]}
    labels = FrameLabels(("A",), {key: np.zeros(3, int) for key in codes})
    found = estimates(codes, labels)[1]
    assert found["pnmi"].value == 0 and not found["pnmi"].draws.any()
    assert found["phone_purity"].value == 1


def test_utterances_without_a_phone_count_for_nothing():
    codes, labels = corpus(3, 10)
    with_silent = FrameLabels(labels.phones, {**labels.rows, "silent": np.full(5, -1)})
    before = estimates(codes, labels)[1]
    after = estimates({**codes, "silent": np.zeros(5, int)}, with_silent)[1]
    np.testing.assert_array_equal(after["pnmi"].draws, before["pnmi"].draws)


def test_no_phone_at_all_is_refused():
    labels = FrameLabels(("A",), {"u": np.array([-1, -1])})
    with pytest.raises(ValueError, match="No frame has a phone"):
        estimates({"u": [0, 1]}, labels)
