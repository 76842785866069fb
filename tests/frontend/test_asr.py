"""Speech tokens as a frontend of ESPnet's ASR."""

import pytest
import torch

from espnet_st.frontend.asr import ASRFrontend, parse_layers
from espnet_st.frontend.rates import parse_rate


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


@pytest.mark.parametrize("fs", [8000, "8k"])
def test_another_rate_is_resampled(exp, codec, waves, fs):
    frontend = ASRFrontend(exp, fs=fs)
    _, lengths = frontend(waves[0][None], torch.tensor([4000]))
    assert lengths.tolist() == [codec.encode(waves[0], 8000).shape[1]] == [25]


@pytest.mark.parametrize(
    ("layers", "message"),
    [("0", "1-3"), ("2-9", "1-3"), ("3-2", "1-3"), ("1,3", "expected k or j-k")],
)
def test_layers_that_are_not_there_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        parse_layers(layers, 3)


def test_all_layers_can_be_meant_by_a_word(exp):
    assert ASRFrontend(exp, "all").layers == ASRFrontend(exp, "1-3").layers == range(3)


@pytest.mark.parametrize("fs", [0, -1, "", "k", "fast"])
def test_rates_that_are_none_are_refused(exp, fs):
    with pytest.raises(ValueError, match=r"fs is .*; expected the waveforms' rate"):
        ASRFrontend(exp, fs=fs)


def test_rates_are_read_as_espnets_recipes_write_them():
    found = [parse_rate(fs) for fs in (16000, "16000", "16k", "22.05k", "44.1K")]
    assert found == [16000, 16000, 16000, 22050, 44100]


def test_a_codec_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no/where"):
        ASRFrontend(tmp_path / "no/where")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_samples_that_are_no_numbers_are_refused(exp, value):
    with pytest.raises(ValueError, match="NaN or infinite"):
        ASRFrontend(exp)(torch.full((1, 800), value), torch.tensor([800]))


@pytest.mark.parametrize("lengths", [[0, 5], [5, 9]])
def test_impossible_lengths_are_refused(exp, lengths):
    with pytest.raises(ValueError, match="expected 1 to 8"):
        ASRFrontend(exp)(torch.zeros(2, 8), torch.tensor(lengths))


def test_unknown_options_are_refused(exp):
    with pytest.raises(ValueError, match="expected codebook, learnt or random"):
        ASRFrontend(exp, vectors="frozen")
    with pytest.raises(ValueError, match="upsample is 0"):
        ASRFrontend(exp, upsample=0)
    with pytest.raises(ValueError, match="cache_mb is -1"):
        ASRFrontend(exp, cache_mb=-1)


def test_the_codec_runs_where_the_waveforms_are(exp, waves):
    """The device of no arithmetic stands for a GPU: what moves, and when."""
    frontend = ASRFrontend(exp).to("meta")
    places = {p.device.type for p in frontend.codec.generator.parameters()}
    assert places == {"cpu"}, "loaded there, and not a part of the model"
    with pytest.raises(NotImplementedError, match="meta"):
        frontend(torch.zeros(1, 800, device="meta"), torch.tensor([800]))
    places = {p.device.type for p in frontend.codec.generator.parameters()}
    assert places == {"meta"} and frontend.codec.device == "meta"


def test_epochs_after_the_first_find_their_codes(exp, waves):
    """The features with and without are the same bits, also where a part is found."""
    kept, fresh = ASRFrontend(exp, "1-2"), ASRFrontend(exp, "1-2", cache_mb=0)
    for epoch in range(3):
        for some in (waves[:2], waves[1:], [waves[0], waves[0]]):
            found = zip(kept(*batch(some, epoch)), fresh(*batch(some)))
            assert all(torch.equal(one, other) for one, other in found)
    assert (kept.cache.misses, kept.cache.hits) == (4, 3 * 7 - 4)
    assert (fresh.cache.misses, fresh.cache.hits) == (3 * 7, 0)
