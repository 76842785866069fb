"""The command that judges the orderings over seeds, on made-up results."""

import json
import re

import numpy as np
import pytest

from espnet_st.bin import orderings
from espnet_st.slmtokbench.bootstrap import bootstrap, ratio
from espnet_st.slmtokbench.estimates import write_estimates
from espnet_st.slmtokbench.report.seed_tables import mean_budgets
from espnet_st.slmtokbench.seeds import Run

SYSTEMS = """
- key: st
  label: SpeechTokenizer
  roles: [distilled, teacher_units]
  codec: {config: conf/x.yaml}
  lm: {label: USLM, config: conf/lm.yaml}
- key: plain
  label: No distillation
  roles: [no_distillation]
  codec: {config: conf/x.yaml, teacher: none}
"""
VALUES = {
    ("groundtruth", "resynthesis", "wer"): 3.0,
    ("st", "rvq1", "mi"): 30.0,
    ("st", "rvq1_8", "mi"): 28.0,
    ("st", "rvq1", "wer"): 10.0,
    ("st", "rvq1", "sim"): 0.7,
    ("st", "rvq1_8", "sim"): 0.9,
    ("st", "tts", "wer"): 12.0,
    ("st", "vc_rvq2", "wer"): 11.0,
    ("st", "vc_nar", "wer"): 13.0,
    ("plain", "rvq1", "mi"): 20.0,
    ("plain", "rvq1", "wer"): 40.0,
}


def results(folder, seed, without=()):
    rng = np.random.default_rng(seed)
    folder.mkdir()
    estimates = {}
    for name, mean in VALUES.items():
        if name[0] not in without:
            mean += 0.02 * seed
            values = {f"utt{i}": mean + 0.1 * rng.standard_normal() for i in range(20)}
            estimates[name] = bootstrap(values, ratio, draws=100)
    write_estimates(folder / "estimates.npz", estimates)
    budget = {"train_set": "train", "epochs": 5, "steps": 1300 + seed, "minutes": 6.0}
    scores = {
        "sample": {"seed": 0},
        "systems": [{"base": "st", "seed": seed}],
        "models": [
            {"label": "SpeechTokenizer", "model": "codec", "budget": budget},
            {"label": "SpeechTokenizer", "model": "USLM", "budget": None},
        ],
        "environment": {"Git hash": f"commit{seed}"},
    }
    (folder / "scores.json").write_text(json.dumps(scores))
    return folder


def run(folder, *results, options=()):
    (folder / "systems.yaml").write_text(SYSTEMS)
    orderings.main(
        [
            *("--systems", str(folder / "systems.yaml")),
            *("--results", *map(str, results)),
            *("--output_dir", str(folder / "out/results")),
            *options,
        ]
    )
    return folder / "out/results"


def test_verdicts_and_means_over_three_seeds(tmp_path, capsys):
    out = run(tmp_path, *(results(tmp_path / f"seed{n}", n) for n in (1, 2, 3)))
    assert "|h|SpeechTokenizer's first layer" in capsys.readouterr().out
    found = json.loads((out / "orderings.json").read_text())
    assert found["environment"]["commit of seed2"] == "commit2"
    by_letter = {one["ordering"]: one for one in found["orderings"]}
    assert by_letter["h"]["verdict"] == "held"
    assert by_letter["a"]["verdict"] == "not measured"
    assert by_letter["a"]["claims"][0]["why"] == "no system has the role encodec"
    assert by_letter["a*"]["verdict"] == "undecided"  # no downstream WER
    (claim, _) = by_letter["a*"]["claims"]
    assert claim["verdict"] == "held"
    assert claim["difference"]["low"] < 10 < claim["difference"]["high"]
    assert set(claim["runs"]) == {"seed1", "seed2", "seed3"}
    text = (out / "ORDERINGS.md").read_text()
    assert re.search(
        r"\|h\|MI: SpeechTokenizer RVQ-1 above SpeechTokenizer all layers\|held\|"
        r"\+\d\.\d \(\+[12]\.\d to \+2\.\d\)\|seed1: 3\d\.\d and 2\d\.\d, \+",
        text,
    )
    text = (out / "RESULTS.md").read_text()
    assert re.search(
        r"\|SpeechTokenizer\|RVQ-1\|30\.\d \(\d+\.\d–30\.\d\)\|10.*\|24\.2\|34\.13\|",
        text,
    )
    assert re.search(r"\|Groundtruth\|\|-\|3\.\d .*\|4\.58\|", text)
    assert "Means over 3 seeds (seed1, seed2, seed3)" in text
    assert "|SpeechTokenizer|the NAR model|13." in text
    assert "|SpeechTokenizer|codec|train|5|1302|6|" in text
    assert "Training: SpeechTokenizer: 1302 steps on train, 6 min." in text
    page = (out / "report.html").read_text()
    assert page.index("Orderings") < page.index("Table 3. SLMTokBench")
    assert 'class="verdict held"' in page


def test_one_seed_says_so(tmp_path):
    out = run(tmp_path, results(tmp_path / "seed1", 1))
    text = (out / "ORDERINGS.md").read_text()
    assert "|held (one seed)|" in text
    assert "One seed (seed1)" in (out / "RESULTS.md").read_text()


def test_a_seed_without_a_system_is_named(tmp_path):
    first = results(tmp_path / "seed1", 1)
    out = run(tmp_path, first, results(tmp_path / "seed2", 2, without={"plain"}))
    text = (out / "ORDERINGS.md").read_text()
    assert "|not measured|seed2 has no mi of plain rvq1|-|" in text
    text = (out / "RESULTS.md").read_text()
    assert "|No distillation|RVQ-1|not scored in seed2|" in text


def test_what_cannot_be_judged_is_refused(tmp_path):
    first = results(tmp_path / "seed1", 1)
    with pytest.raises(SystemExit, match="orderings: no .*nowhere/estimates.npz"):
        run(tmp_path, first, tmp_path / "nowhere")
    with pytest.raises(SystemExit, match="near_wer: -1.0, expected a number above 0"):
        run(tmp_path, first, options=("--near_wer", "-1"))
    assert not (tmp_path / "out").exists()


def test_one_seed_that_was_not_finished_is_to_be_seen():
    whole = {"train_set": "t", "epochs": 5, "steps": 50, "minutes": 6.0, "planned": 5}
    cut = whole | {"epochs": 1, "steps": 10}
    runs = [
        Run("", {}, {"models": [{"label": "A", "model": "codec", "budget": budget}]})
        for budget in (whole, cut, whole)
    ]
    (one,) = mean_budgets(runs)
    assert (one.budget.epochs, one.budget.planned) == (1, 5)
    assert "NOT FINISHED" in str(one.budget)
