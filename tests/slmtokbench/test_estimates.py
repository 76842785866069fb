"""Figures on disk: they come back, and what is no such file is refused."""

import numpy as np
import pytest

from espnet_st.slmtokbench.bootstrap import bootstrap, ratio
from espnet_st.slmtokbench.estimates import read_estimates, write_estimates


def test_round_trip(tmp_path):
    one = bootstrap({"a": (1, 4), "b": (0, 5)}, ratio, draws=20)
    path = tmp_path / "estimates.npz"
    write_estimates(path, {("mini", "rvq1_8", "wer"): one})
    found = read_estimates(path)
    assert list(found) == [("mini", "rvq1_8", "wer")]
    again = found["mini", "rvq1_8", "wer"]
    assert again.value == pytest.approx(one.value)
    np.testing.assert_allclose(again.draws, one.draws, rtol=1e-6)
    assert list(tmp_path.iterdir()) == [path]


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="stage 8"):
        read_estimates(tmp_path / "estimates.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ValueError, match="no file of figures"):
        read_estimates(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="three parts"):
        read_estimates(tmp_path / "other.npz")
