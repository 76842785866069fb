import json

import numpy as np
import pytest

from espnet_st.slmtokbench import bootstrap
from espnet_st.slmtokbench.tokens import shares as module
from espnet_st.slmtokbench.tokens.shares import interval_json, shares

TERMS = {f"utt{n}": (float(n % 5), 5.0 + n % 3) for n in range(40)}


def test_one_figure_equals_the_bootstrap_of_the_benchmark():
    ours = shares({"x": TERMS}, seed=3)["x"]
    theirs = bootstrap.bootstrap(TERMS, bootstrap.ratio, seed=3)
    assert ours.value == pytest.approx(theirs.value)
    np.testing.assert_allclose(ours.draws, theirs.draws)


def test_chunks_of_utterances_change_nothing(monkeypatch):
    whole = shares({"x": TERMS})["x"].draws
    monkeypatch.setattr(module, "CHUNK", 7)
    np.testing.assert_allclose(shares({"x": TERMS})["x"].draws, whole)


def test_figures_of_different_utterances_share_their_draws():
    some = {key: TERMS[key] for key in list(TERMS)[:10]}
    found = shares({"all": TERMS, "some": some})
    np.testing.assert_allclose(
        found["some"].draws, shares({"some": some})["some"].draws
    )


def test_nothing_over_nothing_is_zero_and_a_lone_utterance_has_no_interval():
    found = shares({"none": {"u": (0, 0), "v": (0, 0)}, "lone": {"u": (1, 2)}})
    assert found["none"].value == 0 and not found["none"].draws.any()
    assert found["lone"].value == 0.5 and np.isnan(found["lone"].draws).all()
    text = json.dumps(interval_json(found["lone"]), allow_nan=False)
    assert json.loads(text) == {"value": 0.5, "low": None, "high": None}


def test_a_figure_without_utterances_is_refused():
    with pytest.raises(ValueError, match="no utterance to compute x of"):
        shares({"x": {}})
