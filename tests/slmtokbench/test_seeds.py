"""Runs of several seeds: coverage of their intervals, and what is refused."""

import json

import numpy as np
import pytest

from espnet_st.slmtokbench.bootstrap import Estimate, bootstrap, draw_weights, ratio
from espnet_st.slmtokbench.estimates import write_estimates
from espnet_st.slmtokbench.orderings import ABOVE, Claim, Figure
from espnet_st.slmtokbench.seeds import over_seeds, read_runs
from espnet_st.slmtokbench.verdicts import HELD, NOT_HELD, UNDECIDED, decide

CLAIM = Claim(Figure("a", "rvq1", "mi"), ABOVE, Figure("b", "rvq1", "mi"))
UTTERANCES, DRAWS, WORLDS = 60, 400, 300
# Spread over utterances that all seeds share, over seeds, and of single values.
REGIMES = [(1.0, 0.0, 0.0), (0.3, 1.0, 0.3), (1.0, 0.15, 1.0), (0.0, 1.0, 0.0)]


def worlds(regime, seeds, mean, worlds=WORLDS):
    """Differences of two systems in made-up worlds: an Estimate per seed in each."""
    shared, between, own = regime
    rng = np.random.default_rng(7)
    weights = draw_weights([f"utt{i}" for i in range(UTTERANCES)], 0, DRAWS)
    weights /= weights.sum(axis=1, keepdims=True)
    for _ in range(worlds):
        values = mean + shared * rng.standard_normal(UTTERANCES)
        values = values + between * rng.standard_normal((seeds, 1))
        values = values + own * rng.standard_normal((seeds, UTTERANCES))
        yield [Estimate(row.mean(), weights @ row) for row in values]


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_cover_the_truth_and_chance_is_not_held(regime, seeds):
    covered, verdicts = 0, []
    for estimates in worlds(regime, seeds, mean=0.0):
        one = over_seeds(estimates)
        covered += one.low <= 0.0 <= one.high
        verdicts.append(decide(CLAIM, one, [each.value for each in estimates]))
    assert covered / WORLDS > 0.92
    # 2.5 % each at most, were the interval exact.
    assert verdicts.count(HELD) / WORLDS <= 0.05
    assert verdicts.count(NOT_HELD) / WORLDS <= 0.05


def test_resampling_three_seeds_would_call_chance_a_finding():
    # Why `over_seeds` does not: one time in eight all three differences are above 0.
    rng = np.random.default_rng(0)
    picks = rng.integers(3, size=(DRAWS, 3))
    held = 0
    for estimates in worlds((0.0, 1.0, 0.0), 3, mean=0.0):
        values = np.array([one.value for one in estimates])
        held += np.percentile(values[picks].mean(axis=1), 2.5) > 0
    assert 0.08 < held / WORLDS < 0.18


@pytest.mark.parametrize("regime", REGIMES)
def test_large_differences_are_held(regime):
    verdicts = [
        decide(CLAIM, over_seeds(estimates), [one.value for one in estimates])
        for estimates in worlds(regime, 3, mean=8.0, worlds=100)
    ]
    assert verdicts.count(HELD) >= 95
    verdicts = [
        decide(CLAIM, over_seeds(estimates), [one.value for one in estimates])
        for estimates in worlds(regime, 3, mean=-8.0, worlds=100)
    ]
    assert verdicts.count(NOT_HELD) >= 95


def test_what_the_test_set_holds_does_not_average_out_over_seeds():
    (estimates,) = worlds((1.0, 0.0, 0.0), 5, mean=0.0, worlds=1)
    one, all_seeds = estimates[0], over_seeds(estimates)
    assert all_seeds.high - all_seeds.low == pytest.approx(one.high - one.low)
    assert over_seeds(estimates[:1]) is estimates[0]


def test_seeds_that_disagree_are_undecided():
    def sure(value):
        return Estimate(value, np.full(50, value))

    # Many agreeing seeds outweigh one in the mean, not in the verdict.
    seeds = [sure(3.0)] * 30 + [sure(-0.1)]
    one = over_seeds(seeds)
    assert one.low > 0
    assert decide(CLAIM, one, [each.value for each in seeds]) == UNDECIDED
    assert decide(CLAIM, sure(0.0), [0.0, 0.0]) == UNDECIDED


def results(folder, seed, systems=("mini",), draws=30, **sample):
    folder.mkdir()
    rng = np.random.default_rng(seed)
    values = {f"utt{i}": rng.random() for i in range(8)}
    one = bootstrap(values, ratio, draws=draws)
    write_estimates(
        folder / "estimates.npz", {(key, "rvq1", "mi"): one for key in systems}
    )
    scores = {
        "sample": {"seed": 0, "utterances": "abc", **sample},
        "systems": [{"base": key, "seed": seed} for key in systems],
    }
    (folder / "scores.json").write_text(json.dumps(scores))
    return folder


def test_reads_runs(tmp_path):
    runs = read_runs([results(tmp_path / f"seed{n}", n) for n in (1, 2)])
    assert [run.name for run in runs] == ["seed1", "seed2"]
    assert [run.seeds for run in runs] == [{1}, {2}]
    assert runs[0].parts("mini") == {"rvq1"} and runs[0].parts("other") == set()


def test_runs_that_cannot_stand_beside_each_other_are_refused(tmp_path):
    first = results(tmp_path / "first", 1)
    with pytest.raises(ValueError, match="No directory of results"):
        read_runs([])
    with pytest.raises(ValueError, match="no .*nowhere/estimates.npz; stage 8"):
        read_runs([first, tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="comes twice"):
        read_runs([first, first])
    with pytest.raises(ValueError, match="both have the seed 1"):
        read_runs([first, results(tmp_path / "again", 1)])
    other = results(tmp_path / "other", 2, utterances="xyz")
    with pytest.raises(ValueError, match="utterances is xyz and abc. Score both"):
        read_runs([first, other])
    with pytest.raises(ValueError, match=r"\[20, 30\] draws"):
        read_runs([first, results(tmp_path / "few", 3, draws=20)])


def test_unreadable_results_are_refused(tmp_path):
    first = results(tmp_path / "first", 1)
    (first / "estimates.npz").write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match="estimates.npz is no file of figures"):
        read_runs([first])
    second = results(tmp_path / "second", 2)
    (second / "scores.json").write_text("{")
    with pytest.raises(ValueError, match="scores.json is not readable"):
        read_runs([second])
    (second / "scores.json").write_text("{}")
    with pytest.raises(ValueError, match="expected `systems` and `sample`; run stage"):
        read_runs([second])
    (second / "scores.json").unlink()
    with pytest.raises(ValueError, match="no .*scores.json; stage 8 makes it"):
        read_runs([second])
