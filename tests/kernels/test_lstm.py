"""An LSTM's steps: all ways give the equations' numbers, and one's bits in company."""

import pytest
import torch

from espnet_st.kernels import choice, lstm

WAYS = "slabs", "convolution", "alone"


@pytest.fixture(params=[*WAYS, None])
def way(request, monkeypatch):
    """The way that the environment names; None for the fastest one."""
    if request.param:
        monkeypatch.setenv("ESPNET_ST_LSTM", request.param)
    monkeypatch.setattr(choice, "_chosen", {})
    lstm.choose_run.cache_clear()
    yield request.param
    lstm.choose_run.cache_clear()


def make_weights(width):
    torch.manual_seed(0)
    weights = [width**-0.5 * torch.randn(4 * width, width) for _ in range(2)]
    return weights + [0.1 * torch.randn(4 * width) for _ in range(2)]


def start(width):
    """The states (2, 1, C) that all sequences start with."""
    return torch.linspace(-1, 1, 2 * width).view(2, 1, width)


def run(items, weights, backwards=False):
    """Hidden states of each item, and the states at the end."""
    width = weights[1].shape[1]
    states = start(width).expand(-1, len(items), -1)
    outputs = [x.new_empty(len(x), width) for x in items]
    return outputs, lstm.recur(items, weights, states, outputs, backwards)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("width", [1024, 96, 5])
def test_a_sequence_has_the_same_bits_beside_any_number(way, width, threads):
    """At the release's width, too, where libraries choose among many kernels."""
    weights = make_weights(width)
    items = [torch.randn(length, width) for length in torch.randint(1, 5, (33,))]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        alone = [run([x], weights) for x in items]
        for count in (3, 9, 33):
            outputs, ends = run(items[:count], weights)
            for place, (one, end) in enumerate(alone[:count]):
                assert torch.equal(outputs[place], one[0])
                assert torch.equal(ends[:, place], end[:, 0])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("width", [64, 5])
def test_every_way_gives_the_numbers_of_the_equations(way, width, backwards):
    weights = make_weights(width)
    items = [torch.randn(length, width) for length in (1, 7, 40, 300)]
    outputs, ends = run(items, weights, backwards)
    exact = torch.nn.LSTM(width, width).double()
    with torch.no_grad():
        for parameter, weight in zip(exact.parameters(), weights, strict=True):
            parameter.copy_(weight)
    for place, item in enumerate(items):
        x = (item.flip(0) if backwards else item).double()
        hidden, end = exact(x, tuple(start(width).double()))
        hidden = hidden.flip(0) if backwards else hidden
        torch.testing.assert_close(outputs[place].double(), hidden, rtol=0, atol=1e-5)
        end = torch.cat(end)
        torch.testing.assert_close(ends[:, place].double(), end, rtol=0, atol=1e-5)


def test_columns_whose_bits_depend_on_their_number_or_place_are_not_taken():
    weights = make_weights(64)

    def by_number(weight, columns):
        return weight @ columns * (1 + 1e-6 * (columns.shape[1] > 8))

    def by_place(weight, columns):
        return weight @ columns * torch.linspace(1, 1.001, columns.shape[1])

    assert lstm.alike(by_number, weights, (8, 16, 32)) == (8,)
    assert lstm.alike(by_place, weights, (8, 16, 32)) == ()
    assert lstm.alike(by_place, weights, (1,)) == (1,)
