"""Losses against their formulas in float64."""

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
