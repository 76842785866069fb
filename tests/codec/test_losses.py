"""Losses against their formulas in float64."""

import math

import numpy as np
import pytest
import torch

from espnet_st.codec import losses
from espnet_st.codec.mel_loss import LogMelLoss, MelLoss


def discriminations(*logits, feature=1.0, kind="scale"):
    return [
        losses.Discrimination(kind, [torch.full((2, 3), feature)], torch.tensor(logit))
        for logit in logits
    ]


REAL = discriminations([2.0, 0.0], [-1.0, 1.0])
FAKE = discriminations([-2.0, 0.0], [1.0, 0.5])


def test_hinge_losses_average_over_discriminators():
    # real: mean(0, 1) and mean(2, 0); fake: mean(0, 1) and mean(2, 1.5)
    assert losses.hinge_discriminator_loss(REAL, FAKE).item() == pytest.approx(
        ((0.5 + 0.5) + (1.0 + 1.75)) / 2
    )
    assert losses.hinge_adversarial_loss(FAKE).item() == pytest.approx((2.0 + 0.25) / 2)


def test_least_squares_losses_sum_over_discriminators():
    # real: mean(1, 1) and mean(4, 0); fake: mean(4, 0) and mean(1, 0.25)
    assert losses.least_squares_discriminator_loss(REAL, FAKE).item() == pytest.approx(
        (1.0 + 2.0) + (2.0 + 0.625)
    )
    # mean(9, 1) and mean(0, 0.25)
    assert losses.least_squares_adversarial_loss(FAKE).item() == pytest.approx(5.125)


def test_relative_feature_loss_is_relative_to_the_real_features():
    real = discriminations([0.0], feature=4.0)
    fake = discriminations([9.0], feature=3.0)
    assert losses.relative_feature_loss(real, fake).item() == pytest.approx(0.25)
    assert losses.relative_feature_loss(real, real).item() == 0


def test_absolute_feature_loss_takes_the_logits_of_waveform_discriminators():
    for kind, expected in (("stft", 2 * 1.0), ("period", 2 * 10.0), ("scale", 2 * 10)):
        real = discriminations([0.0], feature=4.0, kind=kind)
        fake = discriminations([9.0], feature=3.0, kind=kind)
        assert losses.absolute_feature_loss(real, fake).item() == pytest.approx(
            expected
        )


def test_commitment_of_every_layer_or_with_the_gradient_of_the_first():
    errors = torch.tensor([3.0, 2.0, 1.0], requires_grad=True)
    loss = losses.commitment_loss(errors)
    assert loss.item() == 6
    assert torch.autograd.grad(loss, errors)[0].tolist() == [1, 1, 1]
    loss = losses.first_commitment_loss(errors)
    assert loss.item() == 2
    (gradient,) = torch.autograd.grad(loss, errors)
    torch.testing.assert_close(gradient, torch.tensor([1 / 3, 0.0, 0.0]))


def test_losses_are_chosen_by_name():
    chosen = losses.choose_losses(
        "least_squares", feature_matching="absolute", commitment="first_layer"
    )
    assert chosen == (
        losses.least_squares_discriminator_loss,
        losses.least_squares_adversarial_loss,
        losses.absolute_feature_loss,
        losses.first_commitment_loss,
    )
    with pytest.raises(ValueError, match="adversarial is 'lsgan'; choose from"):
        losses.choose_losses(adversarial="lsgan")


@pytest.mark.parametrize(
    "loss",
    [
        MelLoss(16000, exponents=(7, 9)),
        MelLoss(16000, exponents=(7, 9), log=True),
        LogMelLoss(16000),
    ],
    ids=["paper", "paper, log", "release"],
)
def test_mel_loss_is_zero_for_the_same_and_grows_with_noise(loss):
    torch.manual_seed(0)
    wav = 0.1 * torch.randn(2, 1, 4000)
    assert loss(wav, wav).item() < 1e-5
    noise = torch.randn_like(wav)
    values = [loss(wav, wav + scale * noise).item() for scale in (0.001, 0.01, 0.1)]
    assert values == sorted(values)
    fake = wav.clone().requires_grad_()
    loss(wav, fake).backward()
    assert torch.isfinite(fake.grad).all()


def mel_filters(n_bands, size, sample_rate):
    """Triangles (size // 2 + 1, n_bands) on the HTK scale, in float64."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, n_bands + 2) / 2595) - 1)
    hertz = np.arange(size // 2 + 1) * sample_rate / size
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    up = (hertz[:, None] - left) / (middle - left)
    down = (right - hertz[:, None]) / (right - middle)
    return np.maximum(0, np.minimum(up, down))


@pytest.mark.parametrize("log", [False, True])
def test_mel_loss_is_the_formula(log):
    """L_f of section 3.3, spelt out in float64."""
    rng = np.random.default_rng(0)
    real, fake = 0.1 * rng.standard_normal((2, 2, 1, 3000))
    total = 0.0
    for exponent in range(5, 12):
        size = 2**exponent
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
        window /= np.sqrt((window**2).sum())
        filters = mel_filters(min(64, size // 8), size, 16000)
        spectra = []
        for wavs in (real, fake):
            starts = range(0, wavs.shape[-1] - size + 1, size // 4)
            frames = np.stack([wavs[:, 0, s : s + size] for s in starts], 1)
            mel = np.abs(np.fft.rfft(frames * window)) @ filters
            spectra.append(np.log10(np.maximum(mel, 1e-4)) if log else mel)
        difference = spectra[0] - spectra[1]
        total += np.abs(difference).mean() + np.sqrt((difference**2).mean(-1)).mean()
    loss = MelLoss(16000, log=log)(*torch.tensor(np.stack([real, fake])).float())
    assert loss.item() == pytest.approx(total / 7, rel=1e-4)


def test_mel_losses_do_not_fall_to_half_precision():
    torch.manual_seed(0)
    real, fake = 0.1 * torch.randn(2, 2, 1, 4000)
    for loss in (MelLoss(16000, exponents=(7, 9)), LogMelLoss(16000)):
        with torch.autocast("cpu", torch.bfloat16):
            within = loss(real, fake)
        assert torch.equal(within, loss(real, fake))


def test_each_resolution_needs_a_hop_and_a_weight():
    with pytest.raises(ValueError, match="2 sizes, 4 hops and 4 weights"):
        LogMelLoss(16000, sizes=(1024, 512))
