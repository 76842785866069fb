"""Products of few columns and of integers: right in every form, rows independent."""

import pytest
import torch

from espnet_st.kernels import columns, integers


@pytest.mark.parametrize("form", columns.PRODUCTS)
@pytest.mark.parametrize("count", [1, 2, 7, 32])
@pytest.mark.parametrize("shape", [(64, 48), (7, 5), (96, 1024)])
def test_every_form_is_the_product(form, count, shape):
    torch.manual_seed(0)
    weight, some = torch.randn(shape), torch.randn(shape[1], count)
    found = columns.PRODUCTS[form](weight, some)
    exact = weight.double() @ some.double()
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=3e-4)


def test_rows_are_multiplied_as_a_linear_layer_does():
    torch.manual_seed(0)
    weight, rows = torch.randn(24, 48), torch.randn(5, 48)
    found = columns.multiply_rows(weight, rows)
    assert found.is_contiguous()
    torch.testing.assert_close(found, rows @ weight.t(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("way", integers.WAYS)
@pytest.mark.parametrize("width", [32, 1024, 4096])
def test_integers_are_multiplied_without_overflow(way, width):
    """The largest integers, of all signs, on processors of all kinds."""
    torch.manual_seed(0)
    limits = integers.ROWS, integers.WEIGHTS
    rows, weight = (
        torch.randint(-most, most + 1, (n, width)).to(torch.int8)
        for n, most in zip((9, 64), limits)
    )
    rows[0], weight[0], weight[1] = limits[0], limits[1], -limits[1]
    rows[1] = -limits[0]
    found = integers.WAYS[way](rows, weight).double()
    exact = rows.double() @ weight.double().t()
    if way == "integers":
        assert torch.equal(found, exact)
    else:
        assert (found - exact).abs().max() <= 2**-8 * exact.abs().max()


@pytest.mark.parametrize("way", integers.WAYS)
def test_a_row_of_integers_becomes_the_same_beside_any_others(way):
    torch.manual_seed(0)
    rows = torch.randint(-127, 128, (33, 1024)).to(torch.int8)
    weight = torch.randint(-63, 64, (96, 1024)).to(torch.int8)
    multiply = integers.WAYS[way]
    alone = torch.cat([multiply(row[None], weight) for row in rows])
    for count in (2, 5, 16, 33):
        assert torch.equal(multiply(rows[:count], weight), alone[:count])


def test_rows_are_rounded_to_integers_each_by_its_own_scale():
    x = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [1e-3, 0.0, -1e-3]])
    found, scale = integers.to_integers(x, 127)
    assert found.abs().amax(1).tolist() == [127, 0, 127]
    assert ((found * scale - x).abs() <= scale / 2).all()
