"""Sampling obeys its laws."""

import pytest
import torch

from espnet_st.uslm.sampling import check_sampling, keep_top, sample

LOGITS = torch.tensor([0.1, 0.2, 0.4, 0.3]).log()


def frequencies(count=20000, **settings):
    uniform = torch.rand(count, generator=torch.Generator().manual_seed(0))
    drawn = sample(LOGITS.expand(count, -1), uniform, **settings)
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
    assert sample(LOGITS[None], torch.tensor([0.01]), **settings).tolist() == [2]


def test_forbidden_codes_are_never_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf]])
    for number in (0.0, 0.5, 1 - 2**-24):
        assert sample(logits, torch.tensor([number])).tolist() == [1]


def test_rows_do_not_depend_on_each_other():
    torch.manual_seed(0)
    logits, uniform = torch.randn(5, 7), torch.rand(5)
    together = sample(logits, uniform, top_p=0.9)
    alone = [sample(logits[i : i + 1], uniform[i : i + 1], top_p=0.9) for i in range(5)]
    assert together.tolist() == torch.cat(alone).tolist()


@pytest.mark.parametrize(
    "settings, message",
    [((-1.0, 0, 1.0), "temperature is -1.0"), ((1.0, -1, 1.0), "top_k"),
     ((1.0, 0, 0.0), "top_p is 0.0"), ((1.0, 0, 1.5), "top_p is 1.5")],
)  # fmt: skip
def test_senseless_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        check_sampling(*settings)
