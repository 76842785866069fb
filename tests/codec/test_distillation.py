"""Distillation losses against the paper, the official code, and their own masks."""

import math

import pytest
import torch
from torch.nn.functional import l1_loss

from espnet_st.codec.distillation import (
    Distillation,
    dimension_axis_loss,
    pseudo_label_loss,
    time_axis_loss,
)
from espnet_st.codec.speechtokenizer import SpeechTokenizer

LENGTHS = torch.tensor([9, 4, 1])


def pair(seed=0, shape=(3, 9, 7)):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(2)]


def official():
    return pytest.importorskip("speechtokenizer.trainer.loss")


def test_the_time_axis_is_equation_4_with_its_minus_sign():
    a, b = pair()
    loss, cosine = time_axis_loss(a, b)
    x, y = a.double(), b.double()
    expected = (x * y).sum(-1) / (x.norm(dim=-1) * y.norm(dim=-1))
    torch.testing.assert_close(cosine.double(), expected.mean(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        loss.double(), -expected.sigmoid().log().mean(), rtol=1e-5, atol=1e-6
    )
    best, _ = time_axis_loss(a, a)
    assert best.item() == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-5)


@pytest.mark.parametrize("lambda_sim", [0.5, 1.0, 3.0])
def test_the_time_axis_with_l1_is_the_official_one(lambda_sim, monkeypatch):
    # The official function asks for torch.functional.l1_loss, which does not exist.
    monkeypatch.setattr(torch.functional, "l1_loss", l1_loss, raising=False)
    for seed in range(5):
        a, b = pair(seed)
        expected = official().t_axis_distill_loss(a, b, lambda_sim)
        loss, _ = time_axis_loss(a, b, lambda_l1=1 / lambda_sim)
        torch.testing.assert_close(lambda_sim * loss, expected, rtol=1e-5, atol=0)


def test_the_dimension_axis_is_the_official_one_with_its_gradient():
    for seed in range(5):
        a, b = pair(seed)
        a.requires_grad_()
        expected = official().d_axis_distill_loss(a, b)
        (gradient_expected,) = torch.autograd.grad(expected, a)
        loss, cosine = dimension_axis_loss(a, b)
        (gradient,) = torch.autograd.grad(loss, a)
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
        torch.testing.assert_close(gradient, gradient_expected, rtol=1e-5, atol=1e-8)
        assert -1 <= cosine <= 1
    a, b = pair()
    assert dimension_axis_loss(a, 2 * a)[0].item() == pytest.approx(0.3133, abs=1e-4)
    assert dimension_axis_loss(a, -a)[0].item() == pytest.approx(1.3133, abs=1e-4)


def test_pseudo_labels_are_equation_5():
    logits, units = torch.randn(2, 5, 7), torch.randint(7, (2, 5))
    loss, accuracy = pseudo_label_loss(logits, units)
    log_p = logits.double().log_softmax(-1).gather(-1, units[..., None])
    torch.testing.assert_close(loss.double(), -log_p.mean(), rtol=1e-5, atol=1e-6)
    assert accuracy == (logits.argmax(-1) == units).float().mean()


@pytest.mark.parametrize("axis", ["time", "l1", "dimension", "units"])
def test_frames_beyond_an_items_end_count_nothing(axis):
    a, b = pair()
    if axis == "units":
        b = b.argmax(-1)

    def loss(projected, teacher, lengths=None):
        if axis == "units":
            return pseudo_label_loss(projected, teacher, lengths)
        if axis == "dimension":
            return dimension_axis_loss(projected, teacher, lengths)
        return time_axis_loss(projected, teacher, lengths, float(axis == "l1"))

    alone = [loss(x[None, :n], y[None, :n]) for x, y, n in zip(a, b, LENGTHS.tolist())]
    # Dimensions are averaged over items, all else over frames.
    weights = torch.ones(3) if axis == "dimension" else LENGTHS.float()
    expected = [
        sum(w * value for w, value in zip(weights, values)) / weights.sum()
        for values in zip(*alone)
    ]
    beyond = torch.arange(9)[None] >= LENGTHS[:, None]
    a[beyond] = 100.0
    b[beyond] = 3 if axis == "units" else -100.0
    a.requires_grad_()
    found = loss(a, b, LENGTHS)
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])
    found[0].backward()
    assert (a.grad[beyond] == 0).all() and (a.grad[~beyond] != 0).any()


@pytest.mark.parametrize("axis", [time_axis_loss, dimension_axis_loss])
def test_a_shift_of_one_frame_is_detected(axis):
    a, _ = pair(shape=(2, 20, 8))
    aligned, shifted = axis(a, a), axis(a[:, 1:], a[:, :-1])
    assert aligned[1] > 0.999 > 0.5 > shifted[1]
    assert shifted[0] > aligned[0] + 0.2


class Teacher(torch.nn.Module):
    """The mean of each frame's samples; counts how often it is asked."""

    output_size = 1

    def __init__(self, hop_length):
        super().__init__()
        self.hop_length = hop_length
        self.lengths = []

    def forward(self, wav, lengths=None):
        self.lengths.append(lengths)
        return wav.unfold(1, self.hop_length, self.hop_length).mean(-1, keepdim=True)


def test_a_codec_is_told_which_loss_and_which_frames():
    torch.manual_seed(0)
    wav, first = torch.randn(2, 3200), torch.randn(2, 4, 10)
    lengths = torch.tensor([3200, 1281])
    projection = torch.nn.Linear(4, 1)
    projected = projection(first.transpose(1, 2))
    target = wav.unfold(1, 320, 320).mean(-1, keepdim=True)
    frames = torch.tensor([10, 5])
    for conf, expected in (
        ({}, time_axis_loss(projected, target, frames)),
        ({"lambda_l1": 2.0}, time_axis_loss(projected, target, frames, 2.0)),
        ({"axis": "dimension"}, dimension_axis_loss(projected, target, frames)),
    ):
        distillation = Distillation(16000, 320, **conf)
        distillation.teacher = Teacher(320)
        assert distillation(projection, first, wav, lengths) == expected
        assert distillation.teacher.lengths == [lengths]


def test_frames_that_do_not_agree_are_refused():
    distillation = Distillation(16000, 320)
    distillation.teacher = Teacher(640)
    with pytest.raises(ValueError, match="gives 5 frames and the codec 10 for 3200"):
        distillation(torch.nn.Linear(4, 1), torch.randn(2, 4, 10), torch.randn(2, 3200))


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"axis": "depth"}, "axis 'depth'; expected one of time, dimension"),
        ({"axis": "dimension", "lambda_l1": 1.0}, "it goes with 'time'"),
        ({"axes": "time"}, r"distill_conf has unknown keys \['axes'\]"),
    ],
)
def test_wrong_options_are_refused_when_the_codec_is_built(conf, message):
    sizes = {"channels": 16, "hidden": 16, "n_blocks": 1}
    with pytest.raises(ValueError, match=message):
        SpeechTokenizer(
            dimension=8,
            encoder="spectral",
            encoder_conf=sizes | {"n_mels": 20},
            decoder="spectral",
            decoder_conf=sizes,
            quantizer_conf={"n_q": 1, "codebook_size": 4},
            distill_conf=conf,
        )
