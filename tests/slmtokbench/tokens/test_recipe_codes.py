"""Codes of a real, tiny codec in a recipe's directories."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from espnet_st.codes import CodesWriter
from espnet_st.slmtokbench.benchmark import load_tokens
from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.scorers.base import NotScored
from espnet_st.slmtokbench.systems import read_systems
from espnet_st.slmtokbench.tokens import code_scores, recipe_codes
from espnet_st.slmtokbench.tokens.recipe_codes import (
    codebook_rows,
    score_recipe_codes,
    shown_figures,
)

WANTED = ("usage", "phones", "unit_lm", "voices", "stability", "speed")


@pytest.fixture(scope="module")
def scored(exp, codec, tmp_path_factory):
    """A recipe, its settings, a cache, and the figures."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("recipe")
    rng = np.random.default_rng(0)
    for name, n in (("train", 8), ("test", 4)):
        raw = root / "raw" / name
        raw.mkdir(parents=True)
        tables = {part: "" for part in ("wav.scp", "utt2spk", "phones.ctm")}
        with CodesWriter(root / "codes_x" / name) as writer:
            for number in range(n):
                key = f"{name}-{number}"
                level = rng.uniform(0.05, 0.2, codec.sample_rate // 2)
                wav = (level * rng.standard_normal(len(level))).astype(np.float32)
                soundfile.write(raw / f"{key}.wav", wav, codec.sample_rate)
                writer[key] = codec.encode(wav)
                tables["wav.scp"] += f"{key} {raw / key}.wav\n"
                tables["utt2spk"] += f"{key} s{number % 2}\n"
                tables["phones.ctm"] += f"{key} 1 0 0.25 A\n{key} 1 0.25 0.25 B\n"
        for part, text in tables.items():
            (raw / part).write_text(text)
    (root / "systems.yaml").write_text(
        f"- {{key: x, label: Tiny, codec: {{exp: {exp}}}, codes: {root / 'codes_x'}}}\n"
        f"- {{key: y, label: None, codec: {{exp: {exp}}}}}\n"
    )
    systems = tuple(read_systems(root / "systems.yaml", root, root))
    recipe = Recipe(systems, root, root, "train", "dev", "test")
    config = replace(BenchmarkConfig(), code_figures=WANTED, tokenizer_utterances=2)
    cache = ScoreCache(root / "cache")
    tokens = load_tokens(systems)
    return (
        recipe,
        config,
        cache,
        tokens,
        score_recipe_codes(tokens, recipe, config, cache),
    )


def test_a_codec_is_scored_whole(scored):
    recipe, *_, tokens, result = scored
    n_q = tokens[0].n_q
    test = result.figures["Tiny"]["test"]
    assert set(test) == set(WANTED)
    assert set(result.figures["Tiny"]["train"]) == {"usage", "phones"}
    kept = test["stability"]["shift_frame"]
    assert list(kept) == [*(f"rvq{q + 1}" for q in range(n_q)), "all"]
    assert 0 <= kept["all"]["value"] <= kept["rvq1"]["value"] <= 1
    assert test["speed"]["encode_rtf"] > 0 and test["speed"]["decode_rtf"] > 0
    assert list(result.counts) == ["Tiny RVQ-1"]
    rows = codebook_rows(result, recipe)
    assert [(row["model"], row["set"]) for row in rows] == [
        (model, name) for name in ("train", "test") for model in ("Tiny", "None")
    ]
    assert rows[0]["frames"] > rows[2]["frames"] and "pnmi" not in rows[1]


def test_figures_of_the_training_set_are_shown_and_stay(scored):
    recipe, *_, result = scored
    shown = shown_figures(result, recipe)["Tiny"]
    train = result.figures["Tiny"]["train"]
    assert shown["phones"] == train["phones"] and "speed" in shown
    value = train["phones"]["layers"][0]["pnmi"]["value"]
    assert result.estimates["x", "rvq1", "pnmi"].value == value


def test_a_system_without_codes_is_named(scored):
    result = scored[-1]
    assert result.figures["None"] == {}
    assert "no codes at" in result.missing["codes of None on test"]


def test_nothing_is_computed_twice(scored, monkeypatch):
    recipe, config, cache, tokens, first = scored
    monkeypatch.setattr(recipe_codes, "score_codes", None)
    again = score_recipe_codes(tokens[:1], recipe, config, cache)
    assert again.figures["Tiny"] == first.figures["Tiny"]
    assert again.estimates.keys() == first.estimates.keys()
    for name, one in again.estimates.items():
        np.testing.assert_allclose(one.draws, first.estimates[name].draws, rtol=1e-6)
    table = again.counts["Tiny RVQ-1"]
    assert (table.counts == first.counts["Tiny RVQ-1"].counts).all()
    with pytest.raises(TypeError):  # other settings, so it would be computed
        other = replace(config, seed=1)
        score_recipe_codes(tokens[:1], recipe, other, cache)


def test_what_could_not_be_scored_is_tried_again_and_alone(scored, monkeypatch):
    recipe, config, cache, tokens, first = scored
    more = replace(config, code_figures=(*WANTED, "abx"))

    def absent(*_):
        raise NotScored("pip install it")

    monkeypatch.setattr(code_scores, "abx_errors", absent)
    for _ in range(2):
        result = score_recipe_codes(tokens[:1], recipe, more, cache)
        assert result.missing == {"abx of Tiny on test": "pip install it"}
        before = result.figures["Tiny"]["test"]
        assert set(before) == set(WANTED)
    monkeypatch.setattr(code_scores, "abx_errors", lambda *_: {"rvq1": 0.1})
    monkeypatch.setattr(recipe_codes, "codec_tokenizer", None)  # others are done
    result = score_recipe_codes(tokens[:1], recipe, more, cache)
    assert result.missing == {}
    assert result.figures["Tiny"]["test"] == before | {"abx": {"rvq1": 0.1}}
    assert result.estimates.keys() == first.estimates.keys()
    monkeypatch.setattr(recipe_codes, "score_codes", None)
    assert score_recipe_codes(tokens[:1], recipe, more, cache).figures == result.figures


def test_large_sets_are_sampled(scored, monkeypatch):
    recipe, config, _, tokens, first = scored
    monkeypatch.setattr(recipe_codes, "MAX_UTTERANCES", 3)
    result = score_recipe_codes(
        tokens[:1],
        recipe,
        replace(config, code_figures=("usage",)),
        ScoreCache(Path(recipe.dump_dir) / "other"),
    )
    seconds = result.figures["Tiny"]["train"]["usage"]["seconds"]
    assert seconds < first.figures["Tiny"]["train"]["usage"]["seconds"] / 2
