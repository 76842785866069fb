"""Convolutions in groups: torch's values and gradients, by another way."""

import pytest
import torch
from torch import nn

from espnet_st.codec.grouped_conv import GroupedConv1d


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("channels", "out", "kernel", "stride", "padding", "groups"),
    [
        (8, 8, 41, 2, 20, 4),
        (8, 16, 41, 4, 20, 2),
        (12, 6, 5, 1, 2, 3),
        (4, 4, 3, 5, 0, 2),
        (6, 12, 8, 3, 1, 6),
    ],
)
def test_values_and_gradients_are_torchs(
    channels, out, kernel, stride, padding, groups, seed
):
    torch.manual_seed(seed)
    theirs = nn.Conv1d(channels, out, kernel, stride, padding, groups=groups).double()
    ours = GroupedConv1d(channels, out, kernel, stride, padding, groups=groups)
    ours.double().load_state_dict(theirs.state_dict())
    for length in (kernel, 47, 64, 101):
        x = torch.randn(2, channels, length, dtype=torch.float64, requires_grad=True)
        expected, found = theirs(x), ours(x)
        torch.testing.assert_close(found, expected)
        direction = torch.randn_like(expected)
        theirs_gradients = torch.autograd.grad(
            expected, [x, *theirs.parameters()], direction
        )
        gradients = torch.autograd.grad(found, [x, *ours.parameters()], direction)
        torch.testing.assert_close(gradients, theirs_gradients)


def test_frozen_weights_get_no_gradient():
    conv = GroupedConv1d(4, 4, 41, 4, 20, groups=4).requires_grad_(False)
    x = torch.randn(1, 4, 100, requires_grad=True)
    conv(x).square().sum().backward()
    assert x.grad.shape == x.shape and conv.weight.grad is None


def test_autocast_goes_torchs_way():
    conv = GroupedConv1d(4, 4, 5, 2, 2, groups=2)
    x = torch.randn(1, 4, 20)
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = conv(x), nn.Conv1d.forward(conv, x)
    assert found.dtype == torch.bfloat16 and torch.equal(found, expected)
    found.float().sum().backward()
    assert conv.weight.grad is not None
