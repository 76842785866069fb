"""Sampling obeys its laws."""

import pytest
import torch

from espnet_st.uslm.decoding.options import DecodingOptions
from espnet_st.uslm.decoding.sampling import (
    Sampling,
    derive_seed,
    draw_uniform,
    keep_top,
    redraw_repeated,
    sample,
)

LOGITS = torch.tensor([0.1, 0.2, 0.4, 0.3]).log()


def uniform(count=20000, seed=0):
    return torch.rand(count, generator=torch.Generator().manual_seed(seed))


def frequencies(count=20000, **settings):
    drawn = sample(LOGITS.expand(count, -1), uniform(count), Sampling(**settings))
    return torch.bincount(drawn, minlength=4) / count


def test_draws_follow_the_softmax():
    torch.testing.assert_close(frequencies(), LOGITS.exp(), atol=0.01, rtol=0)


def test_temperature_sharpens():
    expected = (LOGITS * 2).softmax(0)
    torch.testing.assert_close(
        frequencies(temperature=0.5), expected, atol=0.01, rtol=0
    )


def test_top_k_renormalizes_the_kept():
    expected = torch.tensor([0.0, 0.0, 4 / 7, 3 / 7])
    torch.testing.assert_close(frequencies(top_k=2), expected, atol=0.01, rtol=0)


@pytest.mark.parametrize(
    "top_p, kept", [(0.39, [2]), (0.41, [2, 3]), (0.71, [1, 2, 3]), (1.0, [0, 1, 2, 3])]
)
def test_top_p_keeps_the_smallest_nucleus(top_p, kept):
    finite = keep_top(LOGITS[None], 0, top_p).isfinite()[0].nonzero()[:, 0]
    assert finite.tolist() == kept


@pytest.mark.parametrize("settings", [dict(temperature=0), dict(top_k=1)])
def test_greedy_takes_the_likeliest(settings):
    sampling = Sampling(**settings)
    assert sample(LOGITS[None], torch.tensor([0.01]), sampling).tolist() == [2]
    assert sampling.greedy
    assert not Sampling(ras_window=10, **settings).greedy


def test_forbidden_codes_are_never_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf]])
    for number in (0.0, 0.5, 1 - 2**-24):
        assert sample(logits, torch.tensor([number]), Sampling()).tolist() == [1]


def test_rows_do_not_depend_on_each_other():
    torch.manual_seed(0)
    logits, numbers, sampling = torch.randn(5, 7), torch.rand(5), Sampling(top_p=0.9)
    together = sample(logits, numbers, sampling)
    alone = [sample(logits[i : i + 1], numbers[i : i + 1], sampling) for i in range(5)]
    assert together.tolist() == torch.cat(alone).tolist()


def test_what_repeats_is_drawn_again_from_all_codes():
    count = 20000
    sampling = Sampling(top_k=1, ras_window=10, ras_threshold=0.1)
    drawn = torch.full((count,), 2)
    recent = torch.full((count, 10), -1)
    recent[:, 3] = 2
    logits = LOGITS.expand(count, -1)
    once = redraw_repeated(drawn, recent, logits, uniform(count), sampling)
    assert torch.equal(once, drawn), "a tenth is not more than a tenth"
    recent[:, 7] = 2
    twice = redraw_repeated(drawn, recent, logits, uniform(count), sampling)
    shares = torch.bincount(twice, minlength=4) / count
    torch.testing.assert_close(shares, LOGITS.exp(), atol=0.01, rtol=0)


def test_numbers_depend_on_the_seed_alone():
    aware = Sampling(ras_window=10)
    many = draw_uniform(aware, [3, 4, 5], 50)
    assert many.shape == (2, 3, 50)
    assert torch.equal(many[:, 1, :20], draw_uniform(aware, [4], 20)[:, 0])
    assert torch.equal(many[0, 1], draw_uniform(Sampling(), [4], 50)[0, 0])
    assert many.flatten(0, 1).unique(dim=0).shape[0] == 6


def test_a_seed_has_relatives():
    assert derive_seed(17, 0) == 17
    relatives = {derive_seed(seed, n) for seed in range(9) for n in range(1, 9)}
    assert len(relatives) == 72
    assert all(0 <= seed < 2**63 for seed in relatives)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(temperature=-1.0), "temperature is -1.0: give 0"),
        (dict(top_k=-1), "top_k is -1"),
        (dict(top_p=0.0), "top_p is 0.0"),
        (dict(top_p=1.5), "top_p is 1.5"),
        (dict(ras_window=-1), "ras_window is -1"),
        (dict(ras_threshold=1.1), "ras_threshold is 1.1"),
        (dict(cfg_scale=-0.5), "cfg_scale is -0.5"),
        (dict(align_scale=-1.0), "align_scale is -1.0"),
        (dict(nbest=0), "nbest is 0: give 1 or more"),
        (dict(minlenratio=3.0, maxlenratio=2.0), "minlenratio is 3.0, maxlenratio 2"),
    ],
)
def test_senseless_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DecodingOptions(**settings).check()
