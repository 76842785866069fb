"""Scorers: what each says about itself, and how to get what it lacks."""

import sys
from pathlib import Path

import pytest

from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.scorers.base import Item
from espnet_st.slmtokbench.scorers.registry import (
    all_scorers,
    build_scorer,
    find_scorer,
    quality_columns,
)
from espnet_st.slmtokbench.scorers.scoring import Job, measure_jobs

ROOT = Path(__file__).resolve().parents[3]


def test_unknown_scorers_and_kinds_are_named():
    with pytest.raises(ValueError, match="'mosnet'.*pesq, pocketsphinx"):
        build_scorer("mosnet", {})
    with pytest.raises(ValueError, match="Unknown quality 'wavlm'"):
        find_scorer("wavlm", "quality")


def test_every_scorer_says_all_about_itself():
    """Tables, list of scorers and configuration read nothing else."""
    known = all_scorers()
    assert set(known) >= {"pocketsphinx", "whisper", "resemblyzer", "wavlm", "stoi"}
    for name, scorer in known.items():
        assert scorer.name == name and scorer.measures
        settings = {setting.name: setting.default for setting in scorer.settings}
        assert scorer.measures.format(**settings)
        if scorer.kind == "quality" and name != "versa":
            assert all(quality_columns([name], settings).values())


PACKAGES = {
    "distillmos": "distillmos",
    "dnsmos": "onnxruntime",
    "pesq": "pesq",
    "pocketsphinx": "pocketsphinx",
    "resemblyzer": "resemblyzer",
    "stoi": "pystoi",
    "versa": "versa.scorer_shared",
    "visqol": "visqol",
    "wavlm": "transformers",
    "whisper": "transformers",
}


@pytest.mark.parametrize(("scorer", "package"), PACKAGES.items())
def test_a_missing_package_is_named_with_how_to_get_it(
    scorer, package, monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "versa.yaml").write_text("- name: stoi\n")
    settings = {"whisper_model": "a", "wavlm_model": "a", "versa_figures": ["stoi"]}
    settings["versa_config"] = str(tmp_path / "versa.yaml")
    settings["corpus_lm"] = str(tmp_path)
    scores, missing = measure_jobs(
        [Job(scorer, "x", (Item("u", tmp_path / "a.wav"),))],
        settings,
        ScoreCache(tmp_path / "cache"),
        nj=0,
    )
    assert not scores
    named = package.partition(".")[0]
    assert missing[scorer].startswith(f"{named} is not installed (")
    assert "): pip install " in missing[scorer]


def test_a_device_that_is_not_there_is_named(tmp_path):
    for device, why in (("cuda", "no such GPU"), ("tpu9", "expected cpu or cuda")):
        for scorer in ("whisper", "wavlm", "distillmos"):
            settings = {"whisper_model": "a", "wavlm_model": "a"}
            job = Job(scorer, "x", (Item("u", tmp_path / "a.wav"),))
            settings["scorer_device"] = device
            cache = ScoreCache(tmp_path / "cache")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("torch.cuda.is_available", lambda: False)
                _, missing = measure_jobs([job], settings, cache, nj=0)
            assert why in missing[scorer]
