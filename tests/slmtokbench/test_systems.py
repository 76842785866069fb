"""The list of systems: what it holds, what is refused, what follows from layers."""

from pathlib import Path

import pytest
import yaml

from espnet_st.slmtokbench.conditions import list_conditions
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.systems import (
    conversion_spans,
    layer_part,
    layer_title,
    read_systems,
    resynthesis_spans,
)

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(
    {p.resolve() for p in ROOT.glob("egs2/*/speechtok1/conf/systems*.yaml")}
)
ONE = {"key": "x", "label": "X", "codec": {"config": "conf/x.yaml"}}


@pytest.fixture
def read(tmp_path):
    """Read blocks as a list of systems, in exp/ and dump/."""

    def systems(*blocks, **options):
        path = tmp_path / "systems.yaml"
        path.write_text(yaml.safe_dump(list(blocks)))
        return read_systems(path, Path("exp"), Path("dump"), **options)

    return systems


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: str(p.relative_to(ROOT)))
def test_shipped_lists_name_files_that_are_there(path):
    for system in read_systems(path, Path("exp"), Path("dump")):
        configs = [system.codec_config, system.lm and system.lm.config]
        for config in filter(None, configs):
            assert (path.parents[1] / config).is_file()


def test_directories_follow_the_key_and_can_be_others(read):
    """A `codec_` earlier in the path changes no name of another directory."""
    path = Path("/data/codec_runs/exp")
    lm = {"label": "USLM", "config": "conf/lm.yaml"}
    (system,) = read(ONE | {"lm": lm})
    assert system.codec_exp == Path("exp/codec_x")
    assert system.codes_dir == Path("dump/codes_x")
    assert system.lm.exp == Path("exp/uslm_x")
    codec = {"exp": str(path / "codec_release")}
    (system,) = read(ONE | {"codec": codec, "codes": "dump/codes_old"})
    assert system.codec_exp == path / "codec_release" and system.codec_config is None
    assert system.codes_dir == Path("dump/codes_old") and system.lm is None
    assert read(ONE | {"lm": lm}, codec_only=True)[0].lm is None


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([{"label": "X"}], "key: None, expected letters"),
        ([ONE | {"key": "a/b"}], "key: 'a/b', expected letters"),
        ([ONE | {"key": "a b"}], "key: 'a b', expected letters"),
        ([ONE | {"codecs": 1}], "x: unknown key 'codecs' of system, expected codec"),
        ([ONE | {"codec": {"conf": 1}}], "x: unknown key 'conf' of codec"),
        ([ONE | {"codec": {}}], "x: codec takes either config or exp"),
        ([ONE | {"codec": {"config": "a", "exp": "b"}}], "either config or exp"),
        ([ONE | {"lm": {"config": "a"}}], "x: lm has no label"),
        ([ONE | {"lm": "USLM"}], "x: lm: 'USLM', expected"),
        ([ONE | {"conversion": "no!"}], "x: conversion: 'no!', expected true"),
        ([ONE, ONE | {"label": "Y"}], "the key 'x' comes twice"),
        ([ONE, ONE | {"key": "y"}], "the label 'X' comes twice"),
        ([ONE | {"roles": ["best"]}], "x: roles: \\['best'\\], expected a list of"),
        (
            [
                ONE | {"roles": ["encodec"]},
                ONE | {"key": "y", "label": "Y", "roles": ["encodec"]},
            ],
            "the role 'encodec' is of two systems",
        ),
        ([], "expected a list of systems"),
    ],
)
def test_refusals_name_the_system_and_the_key(read, blocks, message):
    with pytest.raises(ValueError, match=message):
        read(*blocks)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"No list of systems .*none\.yaml"):
        read_systems(tmp_path / "none.yaml", Path("exp"), Path("dump"))


def test_a_seed_is_in_the_names_of_what_is_trained_here(read):
    lm = {"label": "USLM", "config": "conf/lm.yaml", "args": "--max_epoch 2"}
    given = {"key": "g", "label": "G", "codec": {"exp": "exp/given"}, "lm": lm}
    trained, found = read(ONE | {"lm": lm, "roles": ["distilled"]}, given, seed=2)
    assert (trained.key, trained.base, trained.seed) == ("x_seed2", "x", 2)
    assert trained.codec_exp == Path("exp/codec_x_seed2")
    assert trained.codes_dir == Path("dump/codes_x_seed2")
    assert trained.lm.exp == Path("exp/uslm_x_seed2")
    assert trained.codec_args == "--seed 2"
    assert trained.lm.args == "--max_epoch 2 --seed 2"
    assert trained.roles == ("distilled",)
    assert found.codec_exp == Path("exp/given")
    assert found.codes_dir == Path("dump/codes_g")
    assert found.lm.exp == Path("exp/uslm_g_seed2")
    assert read(ONE)[0].seed is None and read(ONE)[0].base == "x"


def test_sets_and_layers_of_one_system(read):
    codec = ONE["codec"] | {"train_set": "train_960", "layer": 9, "teacher": "hubert"}
    lm = {"label": "LM", "config": "conf/lm.yaml", "train_set": "train_mls"}
    (system,) = read(ONE | {"codec": codec, "lm": lm})
    assert (system.train_set, system.lm.train_set) == ("train_960", "train_mls")
    assert (system.teacher, system.teacher_layer) == ("hubert", "9")
    assert read(ONE)[0].train_set == read(ONE)[0].teacher_layer == ""


@pytest.mark.parametrize(
    ("n_q", "made", "converted"),
    [
        (1, ["1"], []),
        (2, ["1", "1-2"], ["2"]),
        (3, ["1", "1-3"], ["2", "2-3"]),
        (4, ["1", "1-4"], ["2", "2-4"]),
        (8, ["1", "1-8"], ["2", "2-4", "2-8"]),
        (12, ["1", "1-12"], ["2", "2-4", "2-12"]),
    ],
)
def test_layers_to_decode_follow_from_the_codec(n_q, made, converted):
    assert resynthesis_spans(n_q) == made
    assert conversion_spans(n_q) == converted


def test_names_of_layers():
    assert (layer_part("1"), layer_title("1")) == ("rvq1", "RVQ-1")
    assert (layer_part("2-4"), layer_title("2-4")) == ("rvq2_4", "RVQ-2:4")


def test_conditions_of_systems_that_differ_in_layers(read):
    """Each system has its own lines; what is heard beside them is listed once."""
    lm = {"label": "USLM", "exp": "exp/lm"}
    systems = read(
        ONE | {"lm": lm},
        ONE | {"key": "y", "label": "Y", "conversion": False},
        ONE | {"key": "z", "label": "Z", "lm": lm | {"label": "LM"}},
    )
    recipe = Recipe(tuple(systems), Path("dump"), Path("data"), "train", "dev", "test")
    conditions = list_conditions(recipe, {"x": 4, "y": 1, "z": 2})
    keys = [condition.key for condition in conditions]
    assert len(keys) == len(set(keys))
    assert [k for k in keys if k[:2] == "x_"] == [
        "x_rvq1", "x_rvq1_4", "x_tts", "x_vc_rvq2", "x_vc_rvq2_4", "x_vc_nar",
    ]  # fmt: skip
    assert [k for k in keys if k[:2] == "y_"] == ["y_rvq1"]
    assert [k for k in keys if k[:2] == "z_"] == [
        "z_rvq1", "z_rvq1_2", "z_tts", "z_vc_rvq2", "z_vc_nar",
    ]  # fmt: skip
    assert set(keys) - {k for k in keys if k[1] == "_"} == {
        "groundtruth", "prompt", "source", "reference",
    }  # fmt: skip
    by_key = {condition.key: condition for condition in conditions}
    assert (by_key["z_tts"].model, by_key["z_tts"].tokens) == ("LM", "Z")
    assert by_key["z_vc_nar"].tokens == "LM's NAR"
    # Stage 2 writes the test set, stage 7 all lists of pairs and all that is made.
    assert [c.key for c in conditions if c.stage != 7] == ["groundtruth"]
