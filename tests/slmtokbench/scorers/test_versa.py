"""VERSA as a back end: the real package where it is installed, else one of its form."""

import sys
import types

import numpy as np
import pytest
import soundfile
import yaml

from espnet_st.slmtokbench.scorers.base import Item, NotScored
from espnet_st.slmtokbench.scorers.registry import quality_columns
from espnet_st.slmtokbench.scorers.versa import Versa


@pytest.fixture
def files(tmp_path):
    """An original and a copy with noise, of other lengths and rates."""
    rng = np.random.default_rng(0)
    time = np.arange(48000) / 24000
    wav = 0.3 * np.sin(2 * np.pi * 200 * time) * np.clip(np.sin(15 * time), 0, 1)
    wav += 0.1 * rng.standard_normal(len(wav)) * np.clip(np.sin(15 * time), 0, 1)
    soundfile.write(tmp_path / "a.wav", wav, 24000)
    noisy = wav[:-300] + 0.05 * rng.standard_normal(len(wav) - 300)
    soundfile.write(tmp_path / "b.wav", noisy, 24000)
    return tmp_path


def settings(folder, figures, metrics=({"name": "stoi"}, {"name": "pesq"})):
    path = folder / "versa.yaml"
    path.write_text(yaml.safe_dump(list(metrics)))
    return {"versa_config": str(path), "versa_figures": figures}


def test_the_real_package_scores(files):
    pytest.importorskip(
        "versa.scorer_shared", reason="pip install git+.../wavlab-speech/versa"
    )
    scorer = Versa(settings(files, ("stoi", "pesq")))
    copy, itself = (
        scorer.measure(Item("u", files / name, files / "a.wav", "TEXT"))
        for name in ("b.wav", "a.wav")
    )
    assert itself["versa_stoi"] == pytest.approx(1, abs=1e-3)
    assert 0 < copy["versa_stoi"] < itself["versa_stoi"]
    assert copy["versa_pesq"] < itself["versa_pesq"]


class Suite:
    """A stand-in for VERSA's suite of metrics: two of them, one of which fails."""

    metrics = {"stoi": None, "lost": None}

    def compute_all(self, predictions, references=None, metadata=None):
        assert predictions.shape == references.shape
        assert predictions.dtype == references.dtype == np.float64
        assert metadata["sample_rate"] == 16000 and metadata["text"] == "TEXT"
        error = float(np.abs(predictions - references).mean())
        return {"stoi": {"stoi": error, "more": 1.0}, "lost": None}


@pytest.fixture
def stand_in(monkeypatch):
    package, module = types.ModuleType("versa"), types.ModuleType("scorer_shared")
    asked = []

    def load_score_modules(config, use_gt=True, use_gt_text=False, use_gpu=False):
        assert use_gt and use_gt_text and not use_gpu
        asked.append(config)
        return Suite()

    module.load_score_modules = load_score_modules
    monkeypatch.setitem(sys.modules, "versa", package)
    monkeypatch.setitem(sys.modules, "versa.scorer_shared", module)
    return asked


def test_settings_and_signals_reach_it_and_figures_come_back(files, stand_in):
    metrics = [{"name": "stoi", "extended": True}]
    values = settings(files, ("stoi", "more"), metrics)
    found = Versa(values).measure(
        Item("u", files / "b.wav", files / "a.wav", text="TEXT")
    )
    assert stand_in == [metrics]
    assert list(found) == list(quality_columns(["versa"], values))
    assert found["versa_stoi"] == pytest.approx(0.03, abs=0.02)
    assert found["versa_more"] == 1.0


def test_a_result_that_does_not_come_is_named(files, stand_in):
    scorer = Versa(settings(files, ("mcd",), [{"name": "stoi"}]))
    with pytest.raises(ValueError, match="VERSA gave no mcd, only stoi, more, lost"):
        scorer.measure(Item("u", files / "b.wav", files / "a.wav", "TEXT"))


def test_what_it_lacks_is_named(files, stand_in):
    with pytest.raises(NotScored, match="could not load mcd_f0"):
        Versa(settings(files, ("mcd",), [{"name": "mcd_f0"}]))
    with pytest.raises(NotScored, match="versa_figures names none"):
        Versa({})
    with pytest.raises(NotScored, match="versa_config: no file 'no.yaml'"):
        Versa({"versa_config": "no.yaml", "versa_figures": ("stoi",)})
    for text, why in (("a: [", "YAML"), ("a: 1", "a list"), ("- stoi", "'- name: ")):
        path = files / "bad.yaml"
        path.write_text(text)
        with pytest.raises(NotScored, match=why):
            Versa({"versa_config": str(path), "versa_figures": ("stoi",)})
