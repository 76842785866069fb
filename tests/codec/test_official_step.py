"""Losses, discriminators and a training step equal to the official package's."""

import itertools

import pytest
import torch
from official_pairs import (
    RELEASED,
    close,
    copy,
    discriminator_pairs,
    generator_pairs,
    official_model,
    parts_of,
)
from speechtokenizer import discriminators as official_discriminators
from speechtokenizer.trainer import loss as official_losses
from speechtokenizer.trainer.optimizer import get_optimizer
from tiny import FrameTeacher

from espnet_st.codec import losses
from espnet_st.codec.discriminators import Discriminators
from espnet_st.codec.mel_loss import LogMelLoss
from espnet_st.codec.speechtokenizer import SpeechTokenizer

RELEASE = {
    "mel_loss": "release",
    "loss_conf": {
        "adversarial": "least_squares",
        "feature_matching": "absolute",
        "commitment": "first_layer",
    },
    "lambda_time": 500.0,
    "lambda_commit": 10.0,
    "distill_conf": {"axis": "dimension"},
    "lambda_distill": 120.0,
}
MELS = [
    {"n_fft": size, "win_size": size, "hop_size": hop, "num_mels": 80}
    | {"sample_rate": 16000, "fmin": 0, "fmax": None}
    for size, hop in ((1024, 240), (512, 120), (256, 60), (128, 30))
]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mel_and_time_loss_are_equal(seed):
    torch.manual_seed(seed)
    real, fake = 0.1 * torch.randn(2, 3, 1, 4000)
    close(losses.time_loss(real, fake), official_losses.recon_loss(real, fake))
    each = [official_losses.mel_loss(real, fake, **conf) for conf in MELS]
    weights = (45, 1, 1, 1)
    expected = sum(weight * loss for weight, loss in zip(weights, each))
    close(LogMelLoss(16000)(real, fake), expected)
    other = LogMelLoss(16000, sizes=(512,), hops=(120,), weights=(1,))
    close(other(real, fake), each[1])


@pytest.fixture(scope="module")
def discriminators():
    """Our discriminators and the official ones, of equal weights and full size."""
    torch.manual_seed(0)
    theirs = {
        "mpd": official_discriminators.MultiPeriodDiscriminator(),
        "msd": official_discriminators.MultiScaleDiscriminator(),
        "mstftd": official_discriminators.MultiScaleSTFTDiscriminator(filters=32),
    }
    # Spectral norm moves towards the largest singular value with each pass; we look at
    # real and fake in one pass where the official code has two: let it arrive.
    with torch.no_grad():
        for _ in range(100):
            theirs["msd"].discriminators[0](torch.zeros(1, 1, 64))
    ours = Discriminators(official=True)
    copy(discriminator_pairs(ours, theirs))
    return ours, theirs


@pytest.mark.parametrize("seed", [0, 1])
@torch.no_grad()
def test_discriminators_and_their_losses_are_equal(discriminators, seed):
    ours, theirs = discriminators
    ours.eval()
    for one in theirs.values():
        one.eval()
    torch.manual_seed(seed)
    real, fake = 0.1 * torch.randn(2, 1, 1, 2311)
    outputs = [theirs[name](real, fake) for name in ("mstftd", "mpd", "msd")]
    our_real, our_fake = ours(real), ours(fake)
    for index, ours_of_one in ((0, our_real), (1, our_fake)):
        logits = [one for group in outputs for one in group[index]]
        features = [one for group in outputs for one in group[index + 2]]
        for mine, logit, maps in zip(ours_of_one, logits, features, strict=True):
            close(mine.logits.flatten(), logit.flatten())
            for x, y in zip(mine.features, maps):
                close(x, y)
    close(
        losses.least_squares_discriminator_loss(our_real, our_fake),
        sum(official_losses.discriminator_loss(*group[:2]) for group in outputs),
    )
    close(
        losses.least_squares_adversarial_loss(our_fake),
        sum(official_losses.adversarial_loss(group[1]) for group in outputs),
    )
    close(
        losses.absolute_feature_loss(our_real, our_fake),
        sum(official_losses.feature_loss(*group[2:]) for group in outputs),
    )
    together_real, together_fake = ours.discriminate_both(real, fake)
    for mine, both in zip(
        our_real + our_fake, together_real + together_fake, strict=True
    ):
        close(both.logits, mine.logits)


def official_step(model, discriminators, teacher, wav, optimizer_g, optimizer_d):
    """The turns of the official trainer's `train`, discriminators first."""
    fake, commitment, feature = model(wav)
    optimizer_d.zero_grad()
    outputs = [one(wav, fake.detach()) for one in discriminators.values()]
    sum(official_losses.discriminator_loss(*group[:2]) for group in outputs).backward()
    optimizer_d.step()
    optimizer_g.zero_grad()
    outputs = [one(wav, fake) for one in discriminators.values()]
    mels = [official_losses.mel_loss(wav, fake, **conf) for conf in MELS]
    loss = (
        sum(official_losses.feature_loss(*group[2:]) for group in outputs)
        + sum(official_losses.adversarial_loss(group[1]) for group in outputs)
        + sum(weight * mel for weight, mel in zip((45, 1, 1, 1), mels))
        + 10 * commitment
        + 500 * official_losses.recon_loss(wav, fake)
        + 120 * official_losses.d_axis_distill_loss(feature, teacher(wav[:, 0]))
    )
    loss.sum().backward()
    optimizer_g.step()
    return loss.item()


def our_step(model, wav, optimizer_g, optimizer_d):
    """The turns of ESPnet's `GANTrainer` with `generator_first: false`."""
    for is_generator, optimizer in ((False, optimizer_d), (True, optimizer_g)):
        out = model(wav[:, 0], forward_generator=is_generator)
        out["loss"].backward()
        optimizer.step()
        optimizer_g.zero_grad()
        optimizer_d.zero_grad()
    return out["loss"].item()


def test_an_optimizer_step_gives_the_same_parameters(discriminators):
    torch.manual_seed(3)
    wav = 0.1 * torch.randn(1, 1, 2560)
    theirs, their_discriminators = official_model(RELEASED, wav), discriminators[1]
    small = {"stft_filters": 2, "period_channels": 4, "max_period_channels": 4}
    small |= {"scale_channels": 16, "max_scale_channels": 16}
    ours = SpeechTokenizer(**parts_of(RELEASED), **RELEASE, discriminator_conf=small)
    ours.discriminator = discriminators[0]  # of full size, and built already
    ours.distillation.teacher = teacher = FrameTeacher()
    pairs = generator_pairs(ours.generator, theirs)
    pairs += discriminator_pairs(ours.discriminator, their_discriminators)
    copy(pairs)
    trained = {parameter.data_ptr() for parameter in ours.parameters()}
    pairs = [pair for pair in pairs if pair[0].data_ptr() in trained]
    before = [mine.clone() for mine, _ in pairs]
    ours.train()
    for one in their_discriminators.values():
        one.train()
    settings = {"lr": 1e-4, "betas": (0.9, 0.99)}
    expected = official_step(
        theirs,
        their_discriminators,
        teacher,
        wav,
        get_optimizer(theirs.parameters(), wd=0, **settings),
        get_optimizer(
            itertools.chain(
                *(one.parameters() for one in their_discriminators.values())
            ),
            wd=0,
            **settings,
        ),
    )
    loss = our_step(
        ours,
        wav,
        torch.optim.Adam(ours.generator.parameters(), fused=True, **settings),
        torch.optim.Adam(ours.discriminator.parameters(), fused=True, **settings),
    )
    assert loss == pytest.approx(expected, rel=1e-5)
    moved = apart = 0.0
    for (mine, official), start in zip(pairs, before):
        assert (mine - official).norm() <= 1e-4 * official.norm()
        moved += float((official - start).square().sum())
        apart += float((mine - official).square().sum())
    assert apart < 1e-6 * moved  # squares: a thousandth of the step
