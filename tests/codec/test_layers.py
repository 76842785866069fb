"""Layers and encoders on whole signals: lengths, padding, official parity."""

import pytest
import torch
from official_pairs import copy, seanet_pairs
from torch.nn.utils import parametrize

from espnet_st.codec.generator import Generator
from espnet_st.codec.layers import Conv1d, fold_weight_norm
from espnet_st.codec.padding import Padding
from espnet_st.codec.seanet import SEANetDecoder, SEANetEncoder


@pytest.mark.parametrize("length", [1, 2, 4, 5, 6, 20])
def test_short_signals_are_mirrored_as_encodec_does(length):
    from speechtokenizer.modules.conv import pad1d

    x = torch.randn(2, 3, length)
    padded = Padding(9, 1, 4, 4, reflect=True).extend(x, 4, 5)
    assert torch.equal(padded, pad1d(x, (4, 5), "reflect"))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_conv_gives_ceil_of_length_over_stride(stride, causal):
    conv = Conv1d(1, 2, 2 * stride if stride > 1 else 7, stride, causal=causal)
    for length in range(1, 40):
        assert conv(torch.randn(1, 1, length)).shape[-1] == -(-length // stride)


def test_folded_weights_give_the_same(seed=0):
    torch.manual_seed(seed)
    encoder = SEANetEncoder(8, strides=(2, 2), n_filters=4)
    wav = torch.randn(1, 1, 100)
    expected = encoder(wav)
    fold_weight_norm(encoder)
    assert not any(map(parametrize.is_parametrized, encoder.modules()))
    torch.testing.assert_close(encoder(wav), expected)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_causal_stacks_do_not_look_ahead(bidirectional):
    torch.manual_seed(0)
    encoder = SEANetEncoder(
        8, strides=(2, 5), n_filters=4, bidirectional=bidirectional, causal=True
    )
    decoder = SEANetDecoder(8, strides=(2, 5), n_filters=4, causal=True)
    wav = torch.randn(1, 1, 200)
    changed = wav.clone()
    changed[..., 100:] += 1
    latent, other = encoder(wav), encoder(changed)
    assert torch.equal(latent[..., :10], other[..., :10]) == (not bidirectional)
    assert not torch.equal(latent[..., 10], other[..., 10])
    latent = torch.randn(1, 8, 20)
    changed = latent.clone()
    changed[..., 10:] += 1
    out, other = decoder(latent), decoder(changed)
    assert torch.equal(out[..., :100], other[..., :100])
    assert not torch.equal(out[..., 100:110], other[..., 100:110])


@pytest.mark.parametrize("strides", [(2, 4, 5, 8), (3, 2), (5, 2, 2)])
@pytest.mark.parametrize("seed", [0, 1])
def test_seanet_equals_the_official_code(strides, seed):
    from speechtokenizer.modules import seanet as official

    torch.manual_seed(seed)
    common = {"n_filters": 4, "dimension": 16, "lstm": 2, "dilation_base": 2}
    ratios = list(reversed(strides))
    theirs = official.SEANetEncoder(ratios=ratios, bidirectional=True, **common)
    ours = SEANetEncoder(16, strides=strides, n_filters=4)
    copy(seanet_pairs(ours, theirs))
    for length in (1613, 1, 7, 43):
        wav = torch.randn(2, 1, length)
        torch.testing.assert_close(ours(wav), theirs(wav), rtol=1e-5, atol=1e-6)

    theirs = official.SEANetDecoder(ratios=ratios, **common)
    ours = SEANetDecoder(16, strides=strides, n_filters=4)
    copy(seanet_pairs(ours, theirs))
    for length in (9, 1, 2):
        latent = torch.randn(2, 16, length)
        torch.testing.assert_close(ours(latent), theirs(latent), rtol=1e-5, atol=1e-6)


def test_unequal_hops_and_unknown_keys_are_refused():
    with pytest.raises(ValueError, match="make them equal"):
        Generator(16000, 8, 8, encoder_conf={"strides": (2, 2), "n_filters": 2})
    with pytest.raises(ValueError, match=r"unknown keys \['n_filter'\].*n_filters"):
        Generator(16000, 8, 8, encoder_conf={"n_filter": 2})
    with pytest.raises(ValueError, match="'seenet' is unknown"):
        Generator(16000, 8, 8, encoder="seenet")
