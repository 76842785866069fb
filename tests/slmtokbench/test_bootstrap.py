"""The bootstrap: its intervals cover, and figures of the same utterances are paired."""

import numpy as np
import pytest

from espnet_st.slmtokbench.bootstrap import bootstrap, draw_weights, ratio


def test_weights_of_a_key_depend_on_no_other_key():
    alone = draw_weights(["b"], seed=3, draws=50)
    among = draw_weights(["a", "b", "c"], seed=3, draws=50)
    assert np.array_equal(alone[:, 0], among[:, 1])
    assert not np.array_equal(among[:, 0], among[:, 1])
    assert not np.array_equal(alone, draw_weights(["b"], seed=4, draws=50))


def test_weights_are_poisson():
    weights = draw_weights([f"u{i}" for i in range(400)], draws=500)
    assert weights.mean() == pytest.approx(1.0, abs=0.01)
    assert weights.var() == pytest.approx(1.0, abs=0.02)


def test_interval_covers_the_mean_in_95_of_100_samples():
    rng = np.random.default_rng(0)
    covered = 0
    for sample in range(400):
        values = {f"{sample}-{i}": x for i, x in enumerate(rng.normal(5, 2, 60))}
        found = bootstrap(values, ratio, draws=300)
        covered += found.low <= 5.0 <= found.high
    assert 0.91 <= covered / 400 <= 0.98


def test_width_is_that_of_the_central_limit():
    values = {
        f"u{i}": float(x)
        for i, x in enumerate(np.random.default_rng(1).normal(size=200))
    }
    found = bootstrap(values, ratio)
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.15)


def test_ratio_weighs_utterances_by_their_words():
    found = bootstrap({"a": (1, 10), "b": (9, 10), "c": (0, 80)}, ratio)
    assert found.value == pytest.approx(0.1)


def test_difference_is_paired():
    rng = np.random.default_rng(2)
    hard = {f"u{i}": float(x) for i, x in enumerate(rng.normal(0, 10, 100))}
    worse = {key: value + 1.0 for key, value in hard.items()}
    difference = bootstrap(worse, ratio) - bootstrap(hard, ratio)
    assert difference.low == pytest.approx(1.0) and difference.high == pytest.approx(
        1.0
    )
    fewer = {key: worse[key] for key in list(worse)[:-1]}
    again = bootstrap(fewer, ratio) - bootstrap(hard, ratio)
    assert again.high - again.low < 1.0


def test_a_draw_without_utterances_is_left_out():
    found = bootstrap({"a": 3.0}, ratio)
    assert np.isnan(found.draws).any()
    assert found.low == found.high == 3.0


def test_nothing_to_compute():
    with pytest.raises(ValueError, match="no utterance"):
        bootstrap({}, ratio)
