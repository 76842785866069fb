"""The paper's own figures beside ours, and what systems were trained with."""

import pytest

from espnet_st.slmtokbench.report.budgets import (
    Budget,
    TrainedModel,
    budget_note,
    budget_table,
    read_budget,
)
from espnet_st.slmtokbench.report.paper import (
    TABLES,
    TITLES,
    TRUTH,
    beside_paper,
    find_row,
)
from espnet_st.slmtokbench.report.tables import Table
from espnet_st.slmtokbench.systems import ROLES


def test_every_row_is_of_a_role_and_every_figure_has_a_title():
    for _, rows in TABLES.values():
        for (role, _), figures in rows.items():
            assert role in {TRUTH, *ROLES}
            assert set(figures) <= set(TITLES)


def test_the_row_that_says_most_is_found():
    avg = {"mi": "30.9", "downstream_wer": "15.58", "wer": "9.57", "sim": "0.74"}
    assert find_row("benchmark", ["distilled"], "rvq1") == avg
    assert find_row("benchmark", ["distilled", "teacher_avg"], "rvq1") == avg
    units = find_row("benchmark", ["distilled", "teacher_units"], "rvq1_4")
    assert units["wer"] == "5.84"
    assert (
        find_row("codebook", ["distilled", "teacher_units"], "rvq1")["pnmi"] == "0.71"
    )
    assert find_row("conversion", ["distilled"], "vc_rvq2_4")["wer"] == "11.7"
    assert find_row("conversion", ["distilled"], "vc_rvq2_8")["wer"] == "35.4"
    assert find_row("reconstruction", ["distilled"], "rvq1") == {}
    assert find_row("benchmark", ["no_distillation"], "rvq1") == {}


def test_columns_of_the_paper_stand_beside_ours():
    table = Table("T", ("Model", "WER"), [("Truth", "1"), ("Ours", "2"), ("X", "3")])
    rows = [
        {"roles": [TRUTH], "part": ""},
        {"roles": ["distilled"], "part": "tts"},
        {"roles": [], "part": "tts"},
    ]
    found = beside_paper(table, "zeroshot", rows)
    assert found.columns[2:] == (
        "Paper: WER % ↓", "Paper: SIM ↑", "Paper: MOS ↑", "Paper: SMOS ↑",
    )  # fmt: skip
    assert found.rows[0][2:] == ("1.9", "0.93", "4.5", "3.96")
    assert found.rows[1][2:] == ("6.5", "0.84", "3.63", "3.45")
    assert found.rows[2][2:] == ("-",) * 4
    assert "its table 4): VCTK, full size" in found.notes[0]
    # Where no system is one of the paper's, nothing is set beside it.
    assert beside_paper(table, "zeroshot", [rows[0], rows[2], rows[2]]) is table


LINE = (
    "[vm] 2026-11-27 20:39:40,644 (trainer:392) INFO: {}epoch results: [train] "
    "iter_time=0.011, distill_agreement=0.514, train_time=0.449, time={}, {}"
    "total_count={}, [valid] loss=4.2, time=9.73 seconds, total_count=168, "
    "[att_plot] time=0.5 seconds, total_count=0\n"
)
CONFIG = """
accum_grad: 2
train_data_path_and_name_and_type:
-   - dump/raw/train_small/wav.scp
    - audio
    - sound
"""


def experiment(folder):
    (folder / "config.yaml").write_text(CONFIG)
    first = LINE.format(1, "1 hour, 2 minutes and 30 seconds", "", 100)
    again = LINE.format(2, "5 hours", "", 190)
    (folder / "train.1.log").write_text(first + again)
    gpu = "gpu_max_cached_mem_GB=0.000, "
    (folder / "train.log").write_text(LINE.format(2, "90 seconds", gpu, 200))
    return folder


def test_a_budget_is_read_from_configuration_and_logs(tmp_path):
    budget = read_budget(experiment(tmp_path))
    assert budget == Budget("train_small", 2, 100, pytest.approx(64.0))
    assert str(budget) == "100 steps on train_small, 64 min"


@pytest.mark.parametrize(
    ("more", "row", "note"),
    [
        ("max_epoch: 2\n", "2", "64 min."),
        ("max_epoch: 5\npatience: null\n", "2 of 5", "64 min, NOT FINISHED."),
        ("max_epoch: 5\npatience: 3\n", "2", "64 min."),
    ],
)
def test_a_training_that_was_not_finished_is_to_be_seen(tmp_path, more, row, note):
    config = experiment(tmp_path) / "config.yaml"
    config.write_text(CONFIG + more)
    models = [TrainedModel("A", "codec", read_budget(tmp_path))]
    assert budget_table(models).rows[0][3] == row
    assert budget_note(models, codecs=True)[0].endswith(note)


def test_what_is_not_known_of_a_training_is_not_made_up(tmp_path):
    assert read_budget(tmp_path) is None
    (tmp_path / "config.yaml").write_text("lr: 1\n")
    budget = read_budget(tmp_path)
    assert budget == Budget("unknown", 0, 0, 0)
    models = [
        TrainedModel("A", "codec", budget),
        TrainedModel("A", "USLM", None),
        TrainedModel("B", "codec", Budget("train", 3, 750, 4.6)),
    ]
    assert list(budget_table(models).rows) == [
        ("A", "codec", "unknown", "-", "-", "-"),
        ("A", "USLM", "unknown", "-", "-", "-"),
        ("B", "codec", "train", "3", "750", "5"),
    ]
    assert budget_note(models, codecs=True) == [
        "Training: A: on unknown, steps unknown; B: 750 steps on train, 5 min."
    ]
    assert budget_note(models, codecs=False) == ["Training: USLM on A: unknown."]
    assert budget_note(models[2:], codecs=False) == []
