"""Joining an AR and a NAR model that were trained apart."""

import pytest
import torch
import yaml

from espnet_st.bin.merge_uslm import main
from espnet_st.checkpoints.loading import load_state, load_strictly
from espnet_st.checkpoints.merge_uslm import merge_halves
from espnet_st.inference.decode_defaults import read_defaults

CONF = dict(
    codebook_size=11, d_model=16, n_heads=2, ar_layers=2, nar_layers=2, ffn_size=24
)


def write(directory, model, **changes):
    """An experiment directory as ESPnet leaves it."""
    conf = CONF | changes.pop("tts_conf")
    config = dict(tts="uslm", tts_conf=conf, odim=4, token_list=list("_abcdef"))
    directory.mkdir()
    (directory / "config.yaml").write_text(yaml.safe_dump(config | changes))
    state = {f"tts.{key}": value for key, value in model.state_dict().items()}
    torch.save(state, directory / "latest.pth")
    return directory


@pytest.mark.parametrize("align", [False, True])
def test_the_whole_speaks_as_its_halves(tiny, tmp_path, align):
    whole = tiny.build(align=align)
    halves = []
    for half in ("ar", "nar"):
        one = tiny.build(train=half, align=align, seed=5)
        state = whole.state_dict()
        one.load_state_dict({key: state[key] for key in one.state_dict()})
        conf = dict(train=half, align=align, dropout=0.0)
        halves.append(write(tmp_path / half, one, tts_conf=conf))
    out = tmp_path / "whole"
    (halves[0] / "decode.yaml").write_text("nbest: 2\n")
    main(["--ar", str(halves[0]), "--nar", str(halves[1]), "--output_dir", str(out)])
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["tts_conf"] == CONF | dict(train="both", align=align, dropout=0.0)
    assert read_defaults(out) == {"nbest": 2}
    found = tiny.build(align=align, seed=9)
    load_strictly(found, load_state(out / "latest.pth"), "tts.")
    text = torch.tensor([1, 2, 3])
    options = dict(minlenratio=3.0, maxlenratio=3.0)
    wanted = whole.inference(text, **options)["codes"]
    assert torch.equal(found.inference(text, **options)["codes"], wanted)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(tts_conf=dict(train="ar")), "expected 'uslm' with train: nar"),
        (dict(tts_conf=dict(train="nar", d_model=32)), "differ in d_model"),
        (dict(tts_conf=dict(train="nar"), token_list=["a"]), "differ in token_list"),
        (dict(tts_conf=dict(train="nar"), tts="vits"), "is of tts 'vits'"),
        (dict(tts_conf=dict(train="nar", rotary=True)), "differ in rotary"),
    ],
)
def test_what_does_not_fit_is_refused(tiny, tmp_path, changes, message):
    ar = write(tmp_path / "ar", tiny.build(train="ar"), tts_conf=dict(train="ar"))
    nar = write(tmp_path / "nar", tiny.build(train="nar"), **changes)
    with pytest.raises(ValueError, match=message):
        merge_halves(ar, nar)


def test_a_damaged_half_is_refused(tiny, tmp_path):
    ar = write(tmp_path / "ar", tiny.build(train="ar"), tts_conf=dict(train="ar"))
    conf = dict(train="nar")
    nar = write(tmp_path / "nar", tiny.build(train="nar", nar_layers=1), tts_conf=conf)
    with pytest.raises(ValueError, match="missing tts.nar.decoder.layers.1"):
        merge_halves(ar, nar)
