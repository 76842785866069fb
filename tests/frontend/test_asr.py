"""Speech tokens as a frontend of ESPnet's ASR."""

import pytest
import torch

from espnet_st.frontend.asr import ASRFrontend, parse_layers


@pytest.fixture
def waves():
    torch.manual_seed(1)
    return [0.3 * torch.randn(size) for size in (4000, 9000, 1, 6401)]


def batch(waves, extra=0):
    lengths = torch.tensor([len(wav) for wav in waves])
    padded = torch.randn(len(waves), int(lengths.max()) + extra)  # padding is noise
    for row, wav in zip(padded, waves):
        row[: len(wav)] = wav
    return padded, lengths


@pytest.mark.parametrize("layers", ["1", "1-3", 2])
@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(vectors="learnt", weighted=True),
        dict(vectors="random", size=6, upsample=2),
    ],
)
def test_features_do_not_depend_on_the_batch(exp, waves, layers, options):
    frontend = ASRFrontend(exp, layers, **options)
    together, lengths = frontend(*batch(waves, extra=777))
    assert together.shape == (4, lengths.max(), frontend.output_size())
    for row, length, wav in zip(together, lengths, waves):
        alone, size = frontend(wav[None], torch.tensor([len(wav)]))
        frames = -(-len(wav) // frontend.hop_length) * frontend.upsample
        assert length == size[0] == frames
        assert torch.equal(row[:length], alone[0])
        assert not row[length:].any()


def test_vectors_are_what_the_decoder_takes(exp, codec, waves):
    frontend = ASRFrontend(exp, "1-3")
    found, _ = frontend(waves[0][None], torch.tensor([len(waves[0])]))
    torch.testing.assert_close(
        found[0], codec.quantized(codec.encode(waves[0])).sum(dim=0)
    )
    assert not list(frontend.parameters()) and not frontend.state_dict()


def test_tables_and_weights_learn_and_the_codec_does_not(exp, waves):
    frontend = ASRFrontend(exp, "1-2", vectors="learnt", weighted=True)
    before = [x.clone() for x in frontend.codec.generator.parameters()]
    features, _ = frontend(*batch(waves))
    features.square().sum().backward()
    assert frontend.tables.grad.any() and frontend.weights.grad.any()
    assert sorted(dict(frontend.named_parameters())) == ["tables", "weights"]
    after = frontend.codec.generator.parameters()
    assert all(torch.equal(x, y) and y.grad is None for x, y in zip(before, after))


def test_equal_weights_are_a_plain_sum(exp, waves):
    plain, weighted = (
        ASRFrontend(exp, "1-3", weighted=flag)(*batch(waves))[0]
        for flag in (False, True)
    )
    torch.testing.assert_close(plain, weighted)


def test_another_rate_is_resampled(exp, codec, waves):
    frontend = ASRFrontend(exp, fs=8000)
    _, lengths = frontend(waves[0][None], torch.tensor([4000]))
    assert lengths.tolist() == [codec.encode(waves[0], 8000).shape[1]] == [25]


@pytest.mark.parametrize(
    ("layers", "message"),
    [("0", "1-3"), ("2-9", "1-3"), ("3-2", "1-3"), ("all", "expected k or j-k")],
)
def test_layers_that_are_not_there_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        parse_layers(layers, 3)


@pytest.mark.parametrize("lengths", [[0, 5], [5, 9]])
def test_impossible_lengths_are_refused(exp, lengths):
    with pytest.raises(ValueError, match="expected 1 to 8"):
        ASRFrontend(exp)(torch.zeros(2, 8), torch.tensor(lengths))


def test_unknown_options_are_refused(exp):
    with pytest.raises(ValueError, match="expected codebook, learnt or random"):
        ASRFrontend(exp, vectors="frozen")
    with pytest.raises(ValueError, match="upsample is 0"):
        ASRFrontend(exp, upsample=0)
