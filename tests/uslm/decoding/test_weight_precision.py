"""Narrow weights: what they are, and that they give nearly the same."""

import pytest
import torch
from torch import nn

from espnet_st.kernels import processor
from espnet_st.uslm.decoding.continuation import Continuation
from espnet_st.uslm.decoding.weight_precision import (
    HalfLinear,
    Int8Linear,
    LayeredAttention,
    SlabLinear,
    set_weight_precision,
)
from espnet_st.uslm.transformer import SelfAttention


def scores(model):
    """Cached scores of the AR model, and scores of the NAR model."""
    text, prompt = torch.tensor([[1, 2, 3]]), torch.tensor([[4, 5, 6]])
    three = torch.tensor([3])
    where = torch.arange(3.0)[None]
    future = Continuation(model.ar, text, three, where, prompt, three, max_frames=2)
    future.append(torch.tensor([7]))
    codes = prompt.expand(4, 1, 3)
    nothing = torch.zeros(1, 3, dtype=torch.bool)
    stages = torch.tensor([2])
    return future.logits, model.nar(text, three, where, codes, three, nothing, stages)


@pytest.mark.parametrize(("dtype", "error"), [("bfloat16", 0.02), ("int8", 0.04)])
@torch.no_grad()
def test_narrow_weights_give_nearly_the_same(model, dtype, error, has_bfloat16):
    model.requires_grad_(False)
    exact = scores(model)
    weights = sum(p.numel() for p in model.ar.decoder.parameters())
    set_weight_precision(model, dtype)
    for one, other in zip(exact, scores(model)):
        assert 0 < (one - other).norm() < error * one.norm()
    wide = [p for p in model.ar.decoder.parameters() if p.dtype == torch.float32]
    assert sum(p.numel() for p in wide) < 0.1 * weights
    assert model.synthesize([torch.tensor([1, 2])], [None], minlenratio=2.0)


@torch.no_grad()
def test_full_width_keeps_weights_and_scores(model):
    model.requires_grad_(False)
    exact, weights = scores(model), {p.data_ptr() for p in model.parameters()}
    set_weight_precision(model, "float32")
    assert {p.data_ptr() for p in model.parameters()} == weights
    assert any(isinstance(module, SlabLinear) for module in model.modules())
    for one, other in zip(exact, scores(model)):
        assert torch.equal(one, other)  # one row: nothing else is done


@pytest.mark.parametrize("outputs", [24, 64, 7])
@pytest.mark.parametrize("shape", [(5, 1), (32, 1), (33, 1), (1, 1), (4, 3), (6,)])
def test_rows_of_one_position_are_projected_as_all_others(outputs, shape):
    torch.manual_seed(0)
    linear, x = nn.Linear(48, outputs), torch.randn(*shape, 48)
    exact = linear.double()(x.double())
    found = SlabLinear(linear.float())(x)
    assert found.is_contiguous()
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=1e-5)


def test_attention_is_the_same_with_its_projection_as_a_layer():
    torch.manual_seed(0)
    attention, x = SelfAttention(16, 2, 0.5).eval(), torch.randn(2, 5, 16)
    assert torch.equal(LayeredAttention(attention)(x, None), attention(x, None))


def test_other_types_are_refused(tiny):
    with pytest.raises(
        ValueError, match="dtype is 'float8': give auto or one of float32"
    ):
        set_weight_precision(tiny.build(), "float8")
    with pytest.raises(ValueError, match="int8 runs on a CPU, not on meta"):
        set_weight_precision(tiny.build().to("meta"), "int8")


def test_bfloat16_is_float32_where_it_would_be_slow(tiny, monkeypatch, caplog):
    monkeypatch.setattr(processor, "has_bfloat16", lambda: False)
    model = tiny.build().requires_grad_(False)
    set_weight_precision(model, "bfloat16")
    assert "no instructions for bfloat16" in caplog.text
    assert any(isinstance(module, SlabLinear) for module in model.modules())


@pytest.mark.parametrize(("able", "kind"), [(False, SlabLinear), (True, HalfLinear)])
def test_auto_is_what_is_fast(tiny, able, kind, monkeypatch, caplog):
    monkeypatch.setattr(processor, "has_bfloat16", lambda: able)
    model = tiny.build().requires_grad_(False)
    set_weight_precision(model, "auto")
    assert any(isinstance(module, kind) for module in model.modules())
    assert not caplog.text


@torch.no_grad()
def test_a_row_of_integers_is_projected_alike_beside_any_others():
    torch.manual_seed(0)
    layer, x = Int8Linear(nn.Linear(64, 96)), torch.randn(9, 1, 64)
    x[3] *= 100
    for one, row in zip(layer(x), x, strict=True):
        assert torch.equal(layer(row[None])[0], one)
