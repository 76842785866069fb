"""The turns of training: terms, gradients, schedule, what is in a checkpoint."""

import math

import pytest
import torch
from tiny import CODEC, LOSSES, FrameTeacher

from espnet_st.codec.speechtokenizer import SpeechTokenizer

TINY = LOSSES | CODEC


def make(teacher=True, **conf) -> SpeechTokenizer:
    torch.manual_seed(0)
    model = SpeechTokenizer(**(TINY | conf))
    if teacher:
        model.distillation.teacher = FrameTeacher()
    return model


def test_loss_is_the_weighted_sum_of_the_terms():
    model = make()
    wav = 0.1 * torch.randn(2, 3200)
    model(wav)  # sets the codebooks
    model._cache = None
    model.eval()
    stats = model(wav, forward_generator=True)["stats"]
    names = "time mel commit adv feat_match distill".split()
    total = sum(stats[f"{name}_loss"] for name in names)
    torch.testing.assert_close(stats["generator_loss"], total)
    scaled = make(lambda_distill=3.0).eval()
    scaled.load_state_dict(model.state_dict())
    scaled.distillation.teacher = model.distillation.teacher
    again = scaled(wav, forward_generator=True)["stats"]
    torch.testing.assert_close(again["distill_loss"], 3 * stats["distill_loss"])


def test_each_turn_reaches_only_its_own_parameters():
    model = make().train()
    wav = 0.1 * torch.randn(2, 3200)
    model(wav, forward_generator=False)["loss"].sum().backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad is not None for p in model.discriminator.parameters())
    model.zero_grad()
    model(wav, forward_generator=True)["loss"].sum().backward()
    missing = [n for n, p in model.generator.named_parameters() if p.grad is None]
    assert not missing
    assert all(p.grad is None for p in model.discriminator.parameters())
    assert all(p.requires_grad for p in model.discriminator.parameters())


def test_both_turns_see_one_reconstruction():
    model = make().train()
    wav = 0.1 * torch.randn(2, 3200)
    model(wav, forward_generator=True)
    cached = model._cache
    counts = model.generator.quantizer.layers[0].counts.clone()
    model(wav, forward_generator=False)
    assert cached is not None and model._cache is None
    assert torch.equal(counts, model.generator.quantizer.layers[0].counts)


def test_discriminators_wait_for_their_start():
    model = make(adversarial_start=2).train()
    wav = 0.1 * torch.randn(2, 3200)
    for step in range(3):
        stats = model(wav, forward_generator=True)["stats"]
        assert ("adv_loss" in stats) == (step == 2)
        loss = model(wav, forward_generator=False)["loss"]
        assert loss.requires_grad
        assert (loss.item() > 0) == (step >= 1)  # the generator's turn has counted
    assert int(model.state_dict()["steps"]) == 3


def test_the_teacher_is_in_neither_parameters_nor_checkpoint():
    with_teacher, without = make(), make(teacher=False)
    with_teacher(0.1 * torch.randn(2, 3200))
    assert with_teacher.state_dict().keys() == without.state_dict().keys()
    assert len(list(with_teacher.parameters())) == len(list(without.parameters()))


def test_without_distillation_no_teacher_is_asked():
    stats = make(teacher=False, lambda_distill=0.0)(0.1 * torch.randn(2, 3200))["stats"]
    assert "distill_loss" not in stats


def test_a_teacher_of_another_width_is_refused(monkeypatch):
    model = make(teacher=False, semantic_dimension=5)
    monkeypatch.setattr(
        "espnet_st.codec.teacher.teacher.build_teacher", lambda **conf: FrameTeacher()
    )
    with pytest.raises(ValueError, match="set semantic_dimension, which is 5"):
        model(0.1 * torch.randn(2, 3200))


def test_distillation_alone_raises_the_cosine():
    model = make(
        adversarial_start=10**6, lambda_mel=0.0, lambda_time=0.0, lambda_commit=0.1
    ).train()
    optimizer = torch.optim.Adam(model.generator.parameters(), 3e-3)
    wav = 0.1 * torch.randn(4, 3200)
    cosines = []
    for _ in range(60):
        out = model(wav)
        model._cache = None
        optimizer.zero_grad()
        out["loss"].sum().backward()
        optimizer.step()
        cosines.append(float(out["stats"]["distill_agreement"]))
    assert cosines[-1] > cosines[0] + 0.2
    assert float(out["stats"]["distill_loss"]) < -math.log(0.5)


def test_the_objectives_are_those_named():
    model = make(
        teacher=False,
        lambda_distill=0.0,
        mel_loss="release",
        mel_loss_conf={"sizes": [256], "hops": [64], "weights": [1.0]},
        loss_conf={"adversarial": "least_squares", "commitment": "first_layer"},
        discriminator_conf=TINY["discriminator_conf"] | {"official": True},
    ).eval()
    with pytest.raises(ValueError, match=r"loss_conf has unknown keys \['gan'\]"):
        make(loss_conf={"gan": "hinge"})
    wav = 0.1 * torch.randn(2, 3200)
    with torch.no_grad():
        fake, quantized = model._reconstruct(wav[:, None])
        stats = model(wav)["stats"]
        outputs = model.discriminator(fake)
        expected = sum((1 - output.logits).square().mean() for output in outputs)
        mel = model.mel_loss(wav[:, None], fake)
    torch.testing.assert_close(stats["adv_loss"], expected[None])
    torch.testing.assert_close(stats["mel_loss"], mel[None])
    torch.testing.assert_close(stats["commit_loss"], quantized.errors.mean()[None])
    kinds = [output.kind for output in outputs]
    assert kinds == ["stft", "period", "scale"]
    # As long as its input: HiFi-GAN's last kernel is 3, where ESPnet's is 2.
    assert outputs[1].logits.shape[-1] == outputs[1].features[-1].flatten(2).shape[-1]


def test_two_instances_share_no_defaults():
    first, second = SpeechTokenizer(**TINY), SpeechTokenizer(**TINY)
    with torch.no_grad():
        for buffer in first.generator.quantizer.buffers():
            buffer.fill_(7)
    assert not any((b == 7).any() for b in second.generator.quantizer.buffers())
