"""The transformer: attention against its definition, cache, adaptive norm."""

import pytest
import torch

from espnet_st.uslm.kv_cache import KVCache
from espnet_st.uslm.positions import (
    SinePosition,
    apply_rope,
    rope_angles,
    sine_table,
)
from espnet_st.uslm.transformer import (
    AdaptiveLayerNorm,
    SelfAttention,
    Transformer,
)


def plain_attention(q, k, v, mask):
    """Softmax attention written out, query by query."""
    out = torch.zeros_like(q)
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            for i in range(q.shape[2]):
                scores = (k[b, h] @ q[b, h, i]) / q.shape[-1] ** 0.5
                scores[~mask[b, i]] = -torch.inf
                out[b, h, i] = scores.softmax(0) @ v[b, h]
    return out


@pytest.mark.parametrize("as_numbers", [False, True])
def test_attention_follows_its_definition(as_numbers):
    torch.manual_seed(0)
    attention = SelfAttention(8, 2, 0.0).double()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    mask = torch.rand(2, 5, 5) < 0.5
    mask[:, :, 0] = True
    attended = plain_attention(*attention.project(x, None), mask)
    expected = attention.out_proj(attended.transpose(1, 2).flatten(2))
    attn_mask = mask.unsqueeze(1)
    if as_numbers:
        attn_mask = torch.zeros_like(attn_mask, dtype=x.dtype).masked_fill(
            ~attn_mask, -torch.inf
        )
    torch.testing.assert_close(attention(x, attn_mask), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("rotary", [False, True])
def test_cache_gives_what_the_whole_sequence_gives(rotary):
    torch.manual_seed(0)
    stack = Transformer(16, 2, 3, 24).eval()
    x = torch.randn(2, 9, 16)
    where = torch.arange(9.0).expand(2, -1)
    rope = rope_angles(where, stack.head_size) if rotary else None
    causal = torch.ones(9, 9, dtype=torch.bool).tril()
    whole = stack(x, mask=causal, rope=rope)
    cache = KVCache(9)
    parts = []
    for start, end in [(0, 4), (4, 5), (5, 8), (8, 9)]:
        piece = rope[:, :, :, start:end] if rotary else None
        parts.append(
            stack(x[:, start:end], causal[start:end, :end], rope=piece, cache=cache)
        )
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=0)


def test_cache_refuses_to_overflow():
    stack, cache = Transformer(16, 2, 1, 24), KVCache(2)
    with pytest.raises(AssertionError, match="cache of 2 asked to hold 3"):
        stack(torch.randn(1, 3, 16), cache=cache)


def test_adaptive_norm_is_gain_times_norm_plus_offset():
    norm = AdaptiveLayerNorm(4)
    with torch.no_grad():
        norm.project_layer.weight.zero_()
        norm.project_layer.bias.copy_(torch.tensor([2.0] * 4 + [3.0] * 4))
    x = torch.randn(1, 5, 4)
    plain = torch.nn.functional.layer_norm(x, (4,))
    torch.testing.assert_close(norm(x, torch.randn(1, 4)), 2 * plain + 3)


def test_rotary_scores_depend_on_the_difference_of_positions():
    torch.manual_seed(0)
    q, k = torch.randn(2, 1, 1, 3, 8, dtype=torch.float64)

    def scores(shift):
        rope = rope_angles(torch.tensor([[0.5, 4.0, 9.25]]) + shift, 8)
        return apply_rope(q, rope) @ apply_rope(k, rope).transpose(-1, -2)

    torch.testing.assert_close(scores(0.0), scores(321.0), atol=1e-4, rtol=0)
    rope = rope_angles(torch.zeros(1, 3), 8)
    torch.testing.assert_close(apply_rope(q, rope), q)


def test_sine_table_at_integers():
    table = sine_table(torch.tensor([[0.0, 3.0]]), 4)
    expected = [torch.tensor([3.0]).sin(), torch.tensor([3.0]).cos()]
    torch.testing.assert_close(table[0, 0], torch.tensor([0.0, 1.0, 0.0, 1.0]))
    torch.testing.assert_close(table[0, 1, :2], torch.cat(expected))
    torch.testing.assert_close(table[0, 1, 2], torch.tensor(0.03).sin())


def test_alpha_scales_the_positions_only():
    layer, where = SinePosition().eval(), torch.tensor([[1.0, 2.0]])
    layer.alpha.data.fill_(0.5)
    x = torch.randn(1, 2, 4)
    torch.testing.assert_close(layer(x, where), x + 0.5 * sine_table(where, 4))


def test_uneven_heads_are_refused():
    with pytest.raises(ValueError, match="d_model 15 with n_heads 2"):
        Transformer(15, 2, 1, 24)
