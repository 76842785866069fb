"""The task of the USLM in one process: spawned processes, prompts, refusals."""

import argparse
import runpy

import numpy as np
import pytest
import torch

from espnet_st.registry import register

register()

from espnet2.tasks.tts import TTSTask, tts_choices  # noqa: E402

from espnet_st.tasks.tts import USLMTask  # noqa: E402
from espnet_st.uslm.uslm import USLM  # noqa: E402

CONF = dict(
    codebook_size=11, d_model=16, n_heads=2, ar_layers=1, nar_layers=1, ffn_size=24
)
TOKENS = ["<blank>", "<unk>", "a", "b", "<sos/eos>"]


def make(task=USLMTask, odim=4, normalize=None, normalize_conf=None, **conf):
    torch.manual_seed(0)
    args = argparse.Namespace(
        token_list=TOKENS, odim=odim, feats_extract="fbank",
        normalize=normalize, normalize_conf=normalize_conf,
        feats_extract_conf={}, tts="uslm", tts_conf=CONF | conf, model_conf={},
    )  # fmt: skip
    return task.build_model(args)


def batch(**more):
    lengths = torch.tensor([3, 3])
    text, codes = torch.tensor([[2, 3, 2], [3, 3, 2]]), torch.ones(2, 3, 4)
    return dict(
        text=text, text_lengths=lengths, speech=codes, speech_lengths=lengths, **more
    )


def test_a_spawned_process_knows_the_uslm(monkeypatch):
    # It unpickles `USLMTask.main_worker`, and so imports the task's module alone.
    monkeypatch.delitem(tts_choices.classes, "uslm")
    with pytest.warns(RuntimeWarning, match="found in sys.modules"):
        imported = runpy.run_module(USLMTask.__module__)
    assert tts_choices.get_class("uslm") is USLM
    assert imported["USLMTask"] is not USLMTask


def test_losses_and_checkpoints_are_those_of_espnets_own_task():
    ours, stock = make().eval(), make(TTSTask).eval()
    assert ours.state_dict().keys() == stock.state_dict().keys()
    assert torch.equal(ours(**batch())[0], stock(**batch())[0])


def test_prompts_reach_the_model():
    voice = dict(voice=torch.ones(2, 2, 4), voice_lengths=torch.tensor([2, 1]))
    ours, stock = (make(task, nar_prompt="speaker") for task in (USLMTask, TTSTask))
    loss, _, _ = ours(**batch(**voice, utt_id=["a", "b"]))
    assert loss.isfinite()
    with pytest.raises(ValueError, match="train with espnet_st.bin.tts_train"):
        stock(**batch(**voice))
    assert "voice" in USLMTask.optional_data_names()
    assert set(TTSTask.optional_data_names()) < set(USLMTask.optional_data_names())


def test_codes_are_not_to_be_made_or_normalized(tmp_path):
    stats = tmp_path / "stats.npz"
    np.savez(stats, count=2, sum=np.ones(4), sum_square=np.ones(4))
    normalized = dict(normalize="global_mvn", normalize_conf={"stats_file": str(stats)})
    for changes in (dict(odim=None), normalized):
        with pytest.raises(ValueError, match="learns codes as they are"):
            make(**changes)


def test_a_switch_on_the_command_line_reaches_the_model():
    given = [
        "--tts_conf",
        "bfloat16=on",
        "--tts_conf",
        "rotary=true",
        "--output_dir",
        "x",
    ]
    given += ["--token_list", "x"]
    conf = USLMTask.get_parser().parse_args(given).tts_conf
    assert conf["bfloat16"] is True  # as YAML reads it
    model = make(**conf).tts
    assert model.bfloat16 == "on" and model.ar.rotary


def test_other_models_are_espnets_own():
    args = argparse.Namespace(
        token_list=TOKENS, odim=4, normalize=None, tts="tacotron2", model_conf={},
        tts_conf=dict(embed_dim=4, elayers=0, eunits=4, adim=4, dunits=4, dlayers=1,
                      prenet_layers=0, postnet_layers=0, econv_layers=0, aconv_chans=2,
                      aconv_filts=3),
    )  # fmt: skip
    model = USLMTask.build_model(args)
    assert type(model).__module__.startswith("espnet2")
