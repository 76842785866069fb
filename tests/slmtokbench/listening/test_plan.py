"""What is heard: read from YAML or a recipe, drawn by seed, refused by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from espnet_st.slmtokbench.listening.kinds import GROUNDTRUTH, MOS, MUSHRA, SMOS
from espnet_st.slmtokbench.listening.plan import (
    Materials,
    make_plan,
    read_materials,
    recipe_materials,
)
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.systems import read_systems


def test_the_recordings_are_rated_among_the_systems(materials):
    plan = make_plan(MUSHRA, materials, 3, 0)
    assert list(plan.systems) == [GROUNDTRUTH, "SecretCodec", "OtherCodec"]
    assert all(set(table) == set(plan.items) for table in plan.systems.values())
    assert plan.references == plan.systems[GROUNDTRUTH] and plan.prompts == {}
    assert plan.texts[plan.items[0]] == f"words of <b>{plan.items[0]}</b>"


def test_the_volume_is_set_by_a_recording_that_is_not_rated(materials):
    plan = make_plan(SMOS, materials, 3, 0)
    assert plan.volume not in plan.prompts.values()
    assert plan.volume.parent.name == "prompts"
    assert make_plan(SMOS, materials, 9, 0).volume.is_file()  # all are rated


def test_items_follow_from_the_seed(materials):
    drawn = {make_plan(MOS, materials, 2, seed).items for seed in range(6)}
    assert len(drawn) > 1
    assert make_plan(MOS, materials, 2, 3) == make_plan(MOS, materials, 2, 3)


def test_only_utterances_of_all_tables_are_heard(materials, tmp_path):
    lines = materials.systems["OtherCodec"].read_text().splitlines()
    (tmp_path / "few.scp").write_text("\n".join(lines[1:3]) + "\n")
    few = materials.systems | {"OtherCodec": tmp_path / "few.scp"}
    assert make_plan(MOS, replace(materials, systems=few), 9, 0).items == (
        "utt1",
        "utt2",
    )


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (MUSHRA, {"reference": None}, "MUSHRA needs reference: the wav.scp"),
        (SMOS, {"prompts": None}, "SMOS needs prompts: the wav.scp"),
        (MOS, {"systems": {}}, "MOS has no system to rate"),
        (MOS, {"systems": {GROUNDTRUTH: Path("x")}}, "label is 'Groundtruth'"),
        (MOS, {"systems": {"A": Path("nowhere")}}, "nowhere: no such file"),
    ],
)
def test_what_is_missing_is_named(materials, kind, change, message):
    with pytest.raises(ValueError, match=message):
        make_plan(kind, replace(materials, **change), 2, 0)


def test_tables_without_a_common_utterance_are_refused(materials, tmp_path):
    (tmp_path / "other.scp").write_text("elsewhere a.wav\n")
    apart = replace(materials, systems={"A": tmp_path / "other.scp"})
    with pytest.raises(ValueError, match=r"no utterance is in all.*A 1.*the same keys"):
        make_plan(MUSHRA, apart, 2, 0)
    with pytest.raises(ValueError, match="0 items; expected 1 at least"):
        make_plan(MUSHRA, materials, 0, 0)


def test_materials_are_read_from_yaml(tmp_path):
    table = tmp_path / "t.yaml"
    table.write_text("systems: {A: a.scp, 2: b.scp}\nreference: r.scp\ntext: t\n")
    assert read_materials(table) == Materials(
        {"A": Path("a.scp"), "2": Path("b.scp")}, Path("r.scp"), None, Path("t")
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("systems: [a]", "expected lines 'label: wav.scp'"),
        ("reference: a", "expected lines 'label: wav.scp'"),
        ("- a", "expected 'systems:' and 'reference:'"),
        ("systems: {A: a}\nprompt: b", "unknown key 'prompt', expected systems"),
        ("systems: {A: 3}", "A: 3, expected a file's name"),
        ("systems: {A: }", "A has no wav.scp"),
        ("systems: {A: a}\nreference: [r]", r"reference: \['r'\], expected a file"),
        ("a: b: c", "not readable YAML"),
    ],
)
def test_yaml_of_another_form_is_refused(tmp_path, content, message):
    table = tmp_path / "t.yaml"
    table.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_materials(table)
    with pytest.raises(ValueError, match="no .*missing.yaml; expected YAML"):
        read_materials(tmp_path / "missing.yaml")


def test_a_recipe_gives_what_its_stage_7_made(tmp_path, caplog):
    exp, dump = tmp_path / "exp", tmp_path / "dump"
    systems = tmp_path / "systems.yaml"
    systems.write_text(
        "- {key: a, label: A, codec: {config: c}, lm: {label: L, config: c}}\n"
        "- {key: b, label: B, codec: {config: c}}\n"
        "- {key: c, label: C, codec: {config: c}}\n"
    )
    found = read_systems(systems, exp, dump)
    made = (
        "codec_a/decode_rvq1",
        "codec_a/decode_rvq1_8",
        "codec_b/decode_rvq1",
        "codec_c/decode_rvq1",  # without that of all layers
        "uslm_a/decode_zeroshot",
    )
    for name in made:
        scp = exp / name / "test/wav.scp"
        scp.parent.mkdir(parents=True)
        scp.write_text("u u.wav\n")
    recipe = Recipe(tuple(found), dump, tmp_path, "train", "dev", "test")
    materials = recipe_materials(recipe, {"a": 8, "b": 1, "c": 8})
    raw = dump / "raw/test"
    assert materials["mushra"] == Materials(
        {
            "A": exp / "codec_a/decode_rvq1_8/test/wav.scp",
            "B": exp / "codec_b/decode_rvq1/test/wav.scp",
        },
        raw / "wav.scp",
        text=raw / "text",
    )
    spoken = {"L, A": exp / "uslm_a/decode_zeroshot/test/wav.scp"}
    zeroshot = raw / "zeroshot"
    assert materials["mos"].systems == materials["smos"].systems == spoken
    assert materials["smos"].prompts == zeroshot / "prompt_wav.scp"
    (message,) = caplog.messages
    assert message.endswith(f"C has no {exp}/codec_c/decode_rvq1_8/test/wav.scp")
