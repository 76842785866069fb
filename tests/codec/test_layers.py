"""Encoders and decoders: lengths, exactness in ragged batches, official parity."""

import pytest
import torch

from espnet_st.codec.generator import Generator
from espnet_st.codec.layers import Conv1d, reflect_pad
from espnet_st.codec.seanet import SEANetDecoder, SEANetEncoder

SMALL = {
    "seanet": {
        "encoder_conf": {"n_filters": 4},
        "decoder_conf": {"n_filters": 4},
    },
    "snake": {
        "encoder_conf": {"n_filters": 4, "activation": "snake", "bidirectional": False},
        "decoder_conf": {"n_filters": 4, "activation": "snake", "lstm_layers": 0},
    },
    "spectral": {
        "encoder": "spectral",
        "decoder": "spectral",
        "encoder_conf": {"channels": 32, "hidden": 32, "n_mels": 20},
        "decoder_conf": {"channels": 32, "hidden": 32, "lstm_layers": 1},
    },
}
LENGTHS = [1, 2, 5, 319, 320, 321, 700, 5000, 9999, 16000]


def make_generator(kind: str) -> Generator:
    torch.manual_seed(0)
    generator = Generator(
        16000, 24, 8, quantizer_conf={"codebook_size": 16, "n_q": 3}, **SMALL[kind]
    ).train()
    for _ in range(2):
        generator.quantizer(generator.encoder(torch.randn(4, 1, 8000), None))
    return generator.eval().requires_grad_(False)


@pytest.mark.parametrize("kind", SMALL)
def test_ragged_batch_equals_one_by_one(kind):
    generator = make_generator(kind)
    wavs = [torch.randn(1, 1, length) for length in LENGTHS]
    lengths = torch.tensor(LENGTHS)
    batch = torch.randn(len(wavs), 1, max(LENGTHS) + 100)  # noise beyond the ends
    for row, wav in zip(batch, wavs, strict=True):
        row[:, : wav.shape[-1]] = wav[0]
    codes = generator.encode(batch, lengths)
    frames = -(-lengths // generator.hop_length)
    decoded = generator.decode(codes, frames)
    for index, wav in enumerate(wavs):
        count = int(frames[index])
        alone = generator.encode(wav)
        assert alone.shape == (3, 1, count)
        assert torch.equal(alone[:, 0], codes[:, index, :count])
        wav_alone = generator.decode(alone)
        assert wav_alone.shape == (1, 1, count * generator.hop_length)
        torch.testing.assert_close(
            wav_alone[0, 0], decoded[index, 0, : wav_alone.shape[-1]]
        )


def test_reflect_pad_is_torch_reflection_for_long_items():
    x = torch.randn(2, 3, 20)
    lengths = torch.tensor([20, 20])
    padded = reflect_pad(x, 4, torch.tensor([6, 6]), lengths)
    expected = torch.nn.functional.pad(x, (4, 6), "reflect")
    assert torch.equal(padded, expected)


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_conv_gives_ceil_of_length_over_stride(stride):
    conv = Conv1d(1, 2, 2 * stride if stride > 1 else 7, stride)
    for length in range(1, 40):
        out, lengths = conv(torch.randn(1, 1, length), None)
        assert lengths is None
        assert out.shape[-1] == -(-length // stride)


@pytest.mark.parametrize("strides", [(2, 4, 5, 8), (3, 2), (5, 2, 2)])
@pytest.mark.parametrize("seed", [0, 1])
def test_seanet_equals_the_official_code(strides, seed, official_pairs):
    from speechtokenizer.modules import seanet as official

    torch.manual_seed(seed)
    common = {"n_filters": 4, "dimension": 16, "lstm": 2, "dilation_base": 2}
    ratios = list(reversed(strides))
    theirs = official.SEANetEncoder(ratios=ratios, bidirectional=True, **common)
    ours = SEANetEncoder(16, strides=strides, n_filters=4)
    official_pairs.copy(official_pairs.seanet(ours, theirs))
    wav = torch.randn(2, 1, 1613)
    torch.testing.assert_close(ours(wav, None), theirs(wav), rtol=1e-5, atol=1e-6)

    theirs = official.SEANetDecoder(ratios=ratios, **common)
    ours = SEANetDecoder(16, strides=strides, n_filters=4)
    official_pairs.copy(official_pairs.seanet(ours, theirs))
    latent = torch.randn(2, 16, 9)
    torch.testing.assert_close(ours(latent, None), theirs(latent), rtol=1e-5, atol=1e-6)


def test_unequal_hops_and_unknown_keys_are_refused():
    with pytest.raises(ValueError, match="make them equal"):
        Generator(16000, 8, 8, encoder_conf={"strides": (2, 2), "n_filters": 2})
    with pytest.raises(ValueError, match=r"unknown keys \['n_filter'\].*n_filters"):
        Generator(16000, 8, 8, encoder_conf={"n_filter": 2})
    with pytest.raises(ValueError, match="'seenet' is unknown"):
        Generator(16000, 8, 8, encoder="seenet")
