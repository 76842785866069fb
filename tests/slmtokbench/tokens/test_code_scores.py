import json

import numpy as np
import pytest

from espnet_st.data.kaldi import TimedPhone
from espnet_st.slmtokbench.report.code_tables import code_tables
from espnet_st.slmtokbench.report.tables import NOT_SCORED, to_markdown
from espnet_st.slmtokbench.tokens.code_scores import FIGURES, score_codes
from espnet_st.slmtokbench.tokens.coded_set import CodedSet
from espnet_st.slmtokbench.tokens.tokenizer import Tokenizer

SIZES, RATE, HOP = (6, 40), 12.5, 160


def phones_and_codes(prefix, n, seed):
    """Make utterances of 20 frames: code 1 is the phone, code 2 knows nothing of it."""
    rng = np.random.default_rng(seed)
    codes, phones = {}, {}
    for number in range(n):
        key = f"{prefix}{number}"
        spoken = rng.integers(5, size=10)
        codes[key] = np.stack([np.repeat(spoken, 2), rng.integers(30, size=20)])
        phones[key] = [
            TimedPhone(0.16 * i, 0.16, f"p{p}") for i, p in enumerate(spoken)
        ]
    return CodedSet.of(codes, SIZES, RATE), phones


@pytest.fixture(scope="module")
def scored():
    coded, phones = phones_and_codes("u", 30, 0)
    train, _ = phones_and_codes("t", 200, 1)
    tokenizer = Tokenizer(
        lambda wavs: [np.ones((2, -(-len(w) // HOP)), int) for w in wavs], HOP, 2000
    )
    return score_codes(
        coded,
        key="ours",
        phones=phones,
        speakers={key: f"s{n % 2}" for n, key in enumerate(coded.codes)},
        train=train,
        codebooks=[np.eye(6, 4), np.eye(40, 4)],
        tokenizer=tokenizer,
        speech={"a": np.ones(1600, np.float32), "b": np.ones(900, np.float32)},
        wanted=[name for name in FIGURES if name != "abx"],
    )


def test_figures_are_known(scored):
    figures = scored.figures
    assert not scored.missing
    first, second = figures["phones"]["layers"]
    assert first["pnmi"]["value"] == pytest.approx(1)
    assert second["pnmi"]["value"] < 0.2
    assert figures["usage"]["layers"][0]["unused"] == [5]
    assert figures["usage"]["bit_rate"] == pytest.approx(12.5 * np.log2(240))
    assert figures["stability"]["shift_half"]["all"]["value"] == 1
    assert list(figures["voices"]) == ["rvq1", "rvq2"]
    assert scored.counts[0].counts.shape == (5, 6)


def test_the_unit_language_model_knows_that_codes_come_twice(scored):
    # Of two codes one is drawn from five and the other is either of two cases.
    model = scored.figures["unit_lm"]
    assert model["perplexity_by_order"][0] == pytest.approx(5, abs=0.1)
    assert model["perplexity"]["value"] < 4
    bits = model["bits_per_second"]["value"]
    assert bits == pytest.approx(12.5 * np.log2(model["perplexity"]["value"]))
    assert not model["cross_validated"]


def test_estimates_have_the_values_of_the_figures(scored):
    names = set(scored.estimates)
    for figure in ("pnmi", "phone_purity", "cluster_purity", "entropy"):
        assert {("ours", "rvq1", figure), ("ours", "rvq2", figure)} <= names
    assert ("ours", "rvq1", "unit_lm_perplexity") in names
    assert ("ours", "rvq2", "nearest_voice") in names
    assert ("ours", "rvq1", "kept_snr_30") in names
    one = scored.estimates["ours", "rvq2", "pnmi"]
    assert scored.figures["phones"]["layers"][1]["pnmi"] == one.as_json()


def test_all_is_json(scored):
    assert json.loads(json.dumps(scored.figures, allow_nan=False)) == scored.figures


def test_tables_show_every_figure(scored):
    bare = score_codes(phones_and_codes("v", 4, 2)[0], key="bare", wanted=["usage"])
    tables = code_tables({"Ours": scored.figures, "Bare": bare.figures})
    assert list(tables) == [
        "code_layers",
        "code_rates",
        "code_contents",
        "code_stability",
        "code_speed",
    ]
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert f"### {table.title}" in to_markdown(table)
    layers = tables["code_layers"].rows
    assert layers[0][:3] == ("Ours", "RVQ-1", "1.000 (1.000–1.000)")
    assert layers[2][:3] == ("Bare", "RVQ-1", NOT_SCORED)
    assert tables["code_rates"].rows[1][1:3] == ("12.5", "25")
    assert tables["code_rates"].rows[1][-1] == NOT_SCORED
    stable = tables["code_stability"].rows
    assert [row[:2] for row in stable] == [
        ("Ours", "RVQ-1"),
        ("Ours", "RVQ-2"),
        ("Bare", "RVQ-1"),
    ]
    assert tables["code_speed"].rows[0][2] == "-"  # it has no decoder
    assert code_tables({"Bare": bare.figures}).keys() == {"code_layers", "code_rates"}


def test_what_is_missing_is_named_and_does_not_stop_the_rest():
    coded, phones = phones_and_codes("u", 3, 0)
    in_ms = {
        key: [TimedPhone(1000 * p.start, 1000 * p.duration, p.phone) for p in line]
        for key, line in phones.items()
    }
    scores = score_codes(coded, key="x", phones=in_ms, wanted=FIGURES)
    assert set(scores.figures) == {"usage", "unit_lm"}
    assert scores.figures["unit_lm"]["cross_validated"]
    assert "phones end after the codes in 3 of 3" in scores.missing["phones"]
    assert scores.missing["voices"] == "needs the codebooks' vectors"
    assert scores.missing["stability"] == "needs a tokenizer"


def test_one_utterance_has_figures_without_intervals():
    coded, phones = phones_and_codes("u", 1, 0)
    scores = score_codes(coded, key="x", phones=phones)
    assert scores.figures["phones"]["layers"][0]["pnmi"]["low"] is None
    assert "no training set" in scores.missing["unit_lm"]
    json.dumps(scores.figures, allow_nan=False)
    assert "1.000|" in to_markdown(code_tables({"X": scores.figures})["code_layers"])


def test_an_unknown_figure_is_refused():
    with pytest.raises(
        ValueError, match="unknown figure 'speeed'; expected usage, phones"
    ):
        score_codes(phones_and_codes("u", 2, 0)[0], key="x", wanted=["speeed"])


def test_a_training_set_of_another_codebook_is_named():
    coded, _ = phones_and_codes("u", 2, 0)
    other = CodedSet.of({"t": [[0, 1], [0, 1]]}, (7, 40), RATE)
    missing = score_codes(coded, key="x", train=other).missing
    assert "codebook has 7 entries, the test set's 6" in missing["unit_lm"]
