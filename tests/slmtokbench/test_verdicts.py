"""Orderings and their verdicts on figures whose truth is known."""

from pathlib import Path

import numpy as np
import pytest

from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.orderings import (
    find_part,
    paper_orderings,
    without_distillation,
)
from espnet_st.slmtokbench.seeds import Run
from espnet_st.slmtokbench.systems import ROLES, System
from espnet_st.slmtokbench.verdicts import (
    HELD,
    NOT_HELD,
    NOT_MEASURED,
    UNDECIDED,
    judge,
    systems_of_roles,
)

# The paper's own figures, with what it leaves out made up (EnCodec's text alignment).
PAPER = {
    ("st", "rvq1"): {"mi": 30.9, "downstream_wer": 15.6, "wer": 9.6, "sim": 0.74}
    | {"pnmi": 0.71},
    ("st", "rvq1_8"): {"mi": 29.7, "wer": 5.04, "sim": 0.97},
    ("st", "tts"): {"wer": 6.5, "sim": 0.84},
    ("st", "vc_rvq2"): {"wer": 2.6, "sim": 0.72},
    ("st", "vc_rvq2_4"): {"wer": 11.7, "sim": 0.80},
    ("st", "vc_rvq2_8"): {"wer": 35.4, "sim": 0.82},
    ("en", "rvq1"): {"mi": 20.0, "downstream_wer": 60.0, "wer": 38.3, "pnmi": 0.28},
    ("en", "rvq1_8"): {"wer": 5.11, "sim": 0.98},
    ("en", "tts"): {"wer": 7.9, "sim": 0.75},
    ("hubert", "rvq1"): {"pnmi": 0.43},
    ("l9", "rvq1"): {"mi": 32.9, "wer": 14.17},
    ("l9", "rvq1_8"): {"wer": 5.31},
    ("kmeans", "rvq1"): {"mi": 24.2, "wer": 20.02},
    ("kmeans", "rvq1_8"): {"wer": 5.84},
}
SYSTEMS = {
    "st": ("distilled", "teacher_avg"),
    "en": ("encodec",),
    "hubert": ("units",),
    "l9": ("teacher_layer",),
    "kmeans": ("teacher_units",),
}


def system(base, roles):
    return System(
        key=f"{base}_seed1", base=base, seed=1, label=base.upper(), codec_exp=Path(),
        codec_config=None, codec_args="", teacher="none", teacher_layer="",
        train_set="", codes_dir=Path(), conversion=False, lm=None, roles=roles,
    )  # fmt: skip


def run(table, name="seed1", noise=0.001):
    """A run with these figures and small intervals."""
    rng = np.random.default_rng(0)
    return Run(
        name,
        {
            (key, part, figure): Estimate(value, rng.normal(value, noise, 200))
            for (key, part), figures in table.items()
            for figure, value in figures.items()
        },
        {},
    )


def verdicts(runs, systems=SYSTEMS, orderings=None):
    roles = systems_of_roles(system(*item) for item in systems.items())
    judged = judge(orderings or paper_orderings(), roles, runs)
    return {one.ordering.letter: one for one in judged}


def test_the_papers_figures_hold_the_papers_orderings():
    found = verdicts([run(PAPER)])
    assert {letter: one.verdict for letter, one in found.items()} == dict.fromkeys(
        "abcdefgh", HELD
    )
    first = found["a"].findings[0]
    assert first.difference.value == pytest.approx(10.9)
    assert [one.run for one in first.seeds] == ["seed1"]


def test_every_role_of_a_claim_is_a_role_of_systems():
    orderings = (*paper_orderings(), *without_distillation(paper_orderings()))
    used = {role for one in orderings for claim in one.claims for role in claim.roles}
    assert used == set(ROLES)


@pytest.mark.parametrize(
    ("place", "figure", "value", "letter"),
    [
        (("st", "rvq1"), "mi", 19.0, "a"),
        (("st", "rvq1"), "downstream_wer", 61.0, "a"),
        (("hubert", "rvq1"), "pnmi", 0.8, "b"),
        (("st", "rvq1"), "wer", 40.0, "c"),
        (("st", "rvq1_8"), "sim", 0.7, "c"),
        (("st", "rvq1_8"), "wer", 7.5, "d"),
        (("st", "rvq1_8"), "sim", 0.92, "d"),
        (("st", "vc_rvq2_4"), "sim", 0.71, "e"),
        (("st", "vc_rvq2_8"), "wer", 11.0, "e"),
        (("st", "tts"), "sim", 0.7, "f"),
        (("kmeans", "rvq1"), "mi", 31.0, "g"),
        (("st", "rvq1_8"), "mi", 31.0, "h"),
    ],
)
def test_each_figure_can_overturn_its_ordering(place, figure, value, letter):
    table = {**PAPER, place: {**PAPER[place], figure: value}}
    assert verdicts([run(table)])[letter].verdict == NOT_HELD


def test_near_lets_a_figure_fall_short_by_its_margin_alone():
    table = {**PAPER, ("st", "rvq1_8"): {"wer": 6.5, "sim": 0.94, "mi": 0.0}}
    assert verdicts([run(table)])["d"].verdict == HELD
    strict = paper_orderings(near_wer=1.0)
    assert verdicts([run(table)], orderings=strict)["d"].verdict == NOT_HELD
    # An interval across the margin decides nothing.
    assert verdicts([run(table, noise=1.0)])["d"].verdict == UNDECIDED
    with pytest.raises(ValueError, match="near_sim: 0, expected a number above 0"):
        paper_orderings(near_sim=0)


def test_what_was_not_measured_is_named():
    del (table := dict(PAPER))[("en", "rvq1")]
    found = verdicts([run(table)])
    assert found["a"].verdict == NOT_MEASURED
    assert found["a"].findings[0].why == "seed1 has no mi of en rvq1"
    assert found["c"].verdict == UNDECIDED  # one of its two claims
    fewer = {key: roles for key, roles in SYSTEMS.items() if key != "hubert"}
    found = verdicts([run(PAPER)], fewer)
    assert found["b"].findings[0].why == "no system has the role units"
    assert found["b"].findings[2].verdict == HELD


def test_a_seed_without_a_system_leaves_the_claim_unmeasured():
    del (table := dict(PAPER))[("en", "tts")]
    found = verdicts([run(PAPER), run(table, "seed2")])
    assert found["f"].verdict == NOT_MEASURED
    assert found["f"].findings[0].why == "seed2 has no wer of en tts"
    assert found["e"].verdict == HELD


def test_a_figure_that_is_no_number_is_not_measured():
    table = {**PAPER, ("st", "rvq1_8"): {**PAPER["st", "rvq1_8"], "mi": np.nan}}
    found = verdicts([run(table)])["h"]
    assert found.verdict == NOT_MEASURED
    assert found.findings[0].why == "mi of st rvq1_8 is no number in seed1"


def test_the_codec_without_distillation_stands_where_encodec_does():
    fairer = without_distillation(paper_orderings())
    assert [one.letter for one in fairer] == ["a*", "b*", "c*", "d*", "f*"]
    assert not any("EnCodec" in one.text or "VALL-E" in one.text for one in fairer)
    assert "without distillation" in fairer[0].text
    systems = {**SYSTEMS, "en": ("no_distillation",)}
    found = verdicts([run(PAPER)], systems, fairer)
    assert {one.verdict for one in found.values()} == {HELD}
    assert len(found["c*"].findings) == 1  # not that of the voice


def test_parts_of_any_number_of_layers():
    parts = {"rvq1", "rvq1_4", "vc_rvq2", "vc_rvq2_3", "vc_rvq2_12"}
    assert find_part("rvq1_all", parts) == "rvq1_4"
    assert find_part("vc_rvq2_all", parts) == "vc_rvq2_12"
    assert find_part("rvq1", parts) == "rvq1"
    assert find_part("rvq1_all", {"rvq1"}) == "rvq1_all"
