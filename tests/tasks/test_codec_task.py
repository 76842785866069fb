"""The task's model and trainer in one process: lengths, bfloat16, NaN, checkpoints."""

import argparse
import runpy
from types import SimpleNamespace

import pytest
import torch
from tiny import LOSSES, FrameTeacher

from espnet_st.registry import register

register()

from espnet2.train.distributed_utils import DistributedOption  # noqa: E402

from espnet_st.codec.speechtokenizer import SpeechTokenizer  # noqa: E402
from espnet_st.tasks.codec import CodecModel, CodecTask  # noqa: E402
from espnet_st.tasks.codec_trainer import CodecTrainer  # noqa: E402
from espnet_st.tasks.saving import atomic_saves  # noqa: E402

CODEC = LOSSES | {
    "dimension": 16,
    "semantic_dimension": 8,
    "encoder_conf": {"n_filters": 2, "strides": [2, 4, 5, 8], "lstm_layers": 1},
    "decoder_conf": {"n_filters": 2, "strides": [2, 4, 5, 8], "lstm_layers": 1},
    "quantizer_conf": {"n_q": 2, "codebook_size": 8},
}
WAV = 0.1 * torch.randn(2, 3200, generator=torch.Generator().manual_seed(0))


def make(use_amp=False):
    torch.manual_seed(0)
    args = argparse.Namespace(
        codec="speechtokenizer", codec_conf=CODEC, model_conf={}, use_amp=use_amp
    )
    model = CodecTask.build_model(args)
    model.codec.distillation.teacher = FrameTeacher()
    return model


def test_checkpoints_are_those_of_espnets_own_task():
    from espnet2.tasks.gan_codec import GANCodecTask

    args = argparse.Namespace(codec="speechtokenizer", codec_conf=CODEC, model_conf={})
    stock = GANCodecTask.build_model(args)
    assert stock.state_dict().keys() == make().state_dict().keys()
    assert make()(WAV)["loss"].isfinite()


def test_a_spawned_process_knows_the_codec(monkeypatch):
    # It unpickles `CodecTask.main_worker`, and so imports the task's module alone.
    from espnet2.tasks.gan_codec import codec_choices

    monkeypatch.delitem(codec_choices.classes, "speechtokenizer")
    with pytest.warns(RuntimeWarning, match="found in sys.modules"):
        imported = runpy.run_module(CodecTask.__module__)
    assert codec_choices.get_class("speechtokenizer") is SpeechTokenizer
    assert imported["CodecTask"] is not CodecTask


def test_lengths_reach_the_teacher():
    model = make()
    lengths = torch.tensor([3200, 700])
    with_lengths = model(WAV, audio_lengths=lengths)["stats"]["distill_loss"]
    assert model.codec.distillation.teacher.lengths is lengths
    assert with_lengths != make()(WAV)["stats"]["distill_loss"]


def test_bfloat16_trains_like_float32():
    full, half = make().train(), make(use_amp=True).train()
    seen = {}

    def look(name):
        def hook(_, __, output):
            part = output if name == "decoder" else output[0][-1]
            seen[name] = part.dtype

        return hook

    half.codec.generator.decoder.register_forward_hook(look("decoder"))
    half.codec.discriminator.mpd.register_forward_hook(look("discriminator"))
    for turn in (True, False):
        expected = full(WAV, forward_generator=turn)
        found = half(WAV, forward_generator=turn)
        loss = found["loss"].float()
        torch.testing.assert_close(loss, expected["loss"], rtol=0.05, atol=0.01)
        loss.sum().backward()
    assert seen == {"decoder": torch.bfloat16, "discriminator": torch.bfloat16}
    gradients = [p.grad for p in half.parameters()]
    assert all(g.dtype == torch.float32 and g.isfinite().all() for g in gradients)
    assert all(v.dtype != torch.bfloat16 for v in half.state_dict().values())
    half.eval()(WAV)
    assert seen["decoder"] == torch.float32


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_changes_no_codebook(value, first):
    model = make().train()
    if not first:
        model(WAV)
        model.codec._cache = None
    before = {
        k: v.clone() for k, v in model.codec.generator.quantizer.state_dict().items()
    }
    broken = WAV.clone()
    broken[1, 100] = value
    assert not model(broken)["loss"].isfinite().all()
    after = model.codec.generator.quantizer.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    model.codec._cache = None
    model(WAV)
    assert not torch.equal(
        before["layers.0.counts"],
        model.codec.generator.quantizer.state_dict()["layers.0.counts"],
    )


def test_a_save_that_is_broken_off_leaves_the_old_file(tmp_path):
    class Broken:
        def __reduce__(self):
            raise KeyboardInterrupt

    path = tmp_path / "checkpoint.pth"
    plain = torch.save
    with atomic_saves():
        torch.save({"weight": torch.ones(3)}, path)
        with pytest.raises(KeyboardInterrupt):
            torch.save({"weight": torch.zeros(3), "rest": Broken()}, str(path))
        with (tmp_path / "other.pth").open("wb") as stream:
            torch.save(torch.ones(2), stream)
    assert torch.save is plain
    assert torch.equal(torch.load(path)["weight"], torch.ones(3))
    assert torch.equal(torch.load(tmp_path / "other.pth"), torch.ones(2))
    assert {p.name for p in tmp_path.iterdir()} == {"checkpoint.pth", "other.pth"}


def test_a_skipped_discriminator_in_several_processes_is_refused():
    with pytest.raises(ValueError, match="skip_discriminator_prob 0.1 with several"):
        CodecTrainer.run(
            trainer_options=SimpleNamespace(skip_discriminator_prob=0.1),
            distributed_option=DistributedOption(distributed=True),
        )


def test_the_model_is_espnets():
    from espnet2.gan_codec.espnet_model import ESPnetGANCodecModel

    assert issubclass(CodecModel, ESPnetGANCodecModel)
