"""Losses against their formulas in float64."""

import math

import pytest
import torch

from espnet_st.codec import losses


def judgements(*logits, feature=1.0):
    return [[torch.full((2, 3), feature), torch.tensor(logit)] for logit in logits]


def test_hinge_losses_average_over_discriminators():
    real = judgements([2.0, 0.0], [-1.0, 1.0])
    fake = judgements([-2.0, 0.0], [1.0, 0.5])
    # real: mean(0, 1) and mean(2, 0); fake: mean(0, 1) and mean(2, 1.5)
    assert losses.discriminator_loss(real, fake).item() == pytest.approx(
        ((0.5 + 0.5) + (1.0 + 1.75)) / 2
    )
    assert losses.adversarial_loss(fake).item() == pytest.approx((2.0 + 0.25) / 2)


def test_feature_matching_is_relative_to_the_real_features():
    real = judgements([0.0], feature=4.0)
    fake = judgements([0.0], feature=3.0)
    assert losses.feature_matching_loss(real, fake).item() == pytest.approx(0.25)
    assert losses.feature_matching_loss(real, real).item() == 0


def test_distillation_is_equation_4_with_its_minus_sign():
    torch.manual_seed(0)
    a, b = torch.randn(2, 5, 7), torch.randn(2, 5, 7)
    loss, cosine = losses.distillation_loss(a, b)
    x, y = a.double(), b.double()
    expected = (x * y).sum(-1) / (x.norm(dim=-1) * y.norm(dim=-1))
    torch.testing.assert_close(cosine.double(), expected.mean(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        loss.double(), -expected.sigmoid().log().mean(), rtol=1e-5, atol=1e-6
    )
    best, _ = losses.distillation_loss(a, a)
    assert best.item() == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-5)


def test_distillation_detects_a_shift_of_one_frame():
    torch.manual_seed(0)
    features = torch.randn(2, 20, 8)
    _, aligned = losses.distillation_loss(features, features)
    _, shifted = losses.distillation_loss(features[:, 1:], features[:, :-1])
    assert aligned > 0.999 > 0.5 > shifted


def test_pseudo_labels_are_cross_entropy():
    logits, units = torch.randn(2, 5, 7), torch.randint(7, (2, 5))
    loss, accuracy = losses.pseudo_label_loss(logits, units)
    log_p = logits.double().log_softmax(-1).gather(-1, units[..., None])
    torch.testing.assert_close(loss.double(), -log_p.mean(), rtol=1e-5, atol=1e-6)
    assert accuracy == (logits.argmax(-1) == units).float().mean()


@pytest.mark.parametrize("log", [False, True])
def test_mel_loss_is_zero_for_the_same_and_grows_with_noise(log):
    torch.manual_seed(0)
    loss = losses.MelLoss(16000, exponents=(7, 9), log=log)
    wav = 0.1 * torch.randn(2, 1, 4000)
    assert loss(wav, wav).item() < 1e-5
    noise = torch.randn_like(wav)
    values = [loss(wav, wav + scale * noise).item() for scale in (0.001, 0.01, 0.1)]
    assert values == sorted(values)
    fake = wav.clone().requires_grad_()
    loss(wav, fake).backward()
    assert torch.isfinite(fake.grad).all()
