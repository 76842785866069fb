"""Streaming: the same codes and samples as off line, and refusals."""

import pickle
from copy import deepcopy

import pytest
import torch
import yaml

from espnet_st.codec.generator import Generator
from espnet_st.inference.audio_coding import AudioCoding

CAUSAL = {
    "encoder_conf": {
        "n_filters": 4,
        "strides": [2, 5, 4],
        "bidirectional": False,
        "causal": True,
    },
    "decoder_conf": {"n_filters": 4, "strides": [2, 5, 4], "causal": True},
}


def save(directory, **parts):
    conf = {
        "sample_rate": 16000,
        "dimension": 12,
        "semantic_dimension": 8,
        "quantizer_conf": {"n_q": 3, "codebook_size": 16},
        **parts,
    }
    torch.manual_seed(0)
    generator = Generator(**conf).train()
    for _ in range(2):
        generator.quantizer(generator.encoder(torch.randn(4, 1, 4000)))
    state = {f"codec.generator.{k}": v for k, v in generator.state_dict().items()}
    torch.save(state, directory / "latest.pth")
    config = {"codec": "speechtokenizer", "codec_conf": conf}
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    return AudioCoding.from_pretrained(directory)


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return save(tmp_path_factory.mktemp("causal"), **CAUSAL)


def random_chunks(x, seed):
    """`x` (..., N) split at random places, with empty chunks and single samples."""
    torch.manual_seed(seed)
    length = x.shape[-1]
    cuts = torch.randint(length + 1, (9,)).tolist() + [0, 1, 2, length]
    cuts = sorted(min(cut, length) for cut in cuts)
    return [x[..., a:b] for a, b in zip([0, *cuts], [*cuts, length])]


@pytest.mark.parametrize("length", [1, 39, 40, 41, 3000, 8013])
def test_codes_and_samples_are_those_of_the_whole(codec, length):
    wav = torch.randn(length)
    codes = codec.encode(wav)
    for seed in range(3):
        stream = codec.stream()
        found = [stream.encode(x) for x in random_chunks(wav, seed) if len(x)]
        # Whole frames come without waiting for the end.
        assert sum(x.shape[1] for x in found) == length // codec.hop_length
        found.append(stream.encode(torch.zeros(0), is_last=True))
        assert torch.equal(torch.cat(found, 1), codes)
        found = [stream.decode(x) for x in random_chunks(codes, seed)]
        assert torch.cat(found).shape == (codes.shape[1] * codec.hop_length,)
        found.append(stream.decode(codes[:, :0], is_last=True))
        expected = codec.decode(codes)
        torch.testing.assert_close(torch.cat(found), expected, rtol=1e-5, atol=1e-5)


def test_chunks_can_be_changed_and_trained_on(codec):
    wav = torch.randn(4000)
    whole = codec.encode(wav)
    stream = codec.stream()
    found = []
    for chunk in wav.split(700):
        codes = stream.encode(chunk, is_last=len(chunk) < 700)
        made = stream.decode(codes)
        assert not codes.is_inference() and not made.is_inference()
        found.append(codes.clone())
        torch.nn.Embedding(codec.codebook_size, 2)(codes).sum().backward()
        codes.fill_(0)  # what it remembers does not change by it
        made.fill_(0)
        chunk.fill_(0)
    assert torch.cat(found, 1).equal(whole)


def test_latency_is_one_frame(codec):
    stream = codec.stream()
    assert stream.latency_samples == 40 and stream.latency == 40 / 16000
    assert stream.encode(torch.randn(39)).shape == (3, 0)
    codes = stream.encode(torch.randn(1))
    assert codes.shape == (3, 1)
    assert stream.decode(codes).shape == (40,)


def test_a_copied_stream_goes_on_from_where_it_was(codec):
    wav = torch.randn(3000)
    stream = codec.stream()
    found = [stream.encode(wav[:1111])]
    copies = [stream, deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    rest = [one.encode(wav[1111:], is_last=True) for one in copies]
    for codes in rest:
        assert torch.equal(torch.cat([*found, codes], 1), codec.encode(wav))


def test_streams_do_not_mix(codec):
    wavs = torch.randn(2, 800)
    streams = [codec.stream(), codec.stream()]
    found = [[], []]
    for start in range(0, 800, 100):
        for own, stream, wav in zip(found, streams, wavs, strict=True):
            own.append(stream.encode(wav[start : start + 100], start == 700))
    for own, wav in zip(found, wavs, strict=True):
        assert torch.equal(torch.cat(own, 1), codec.encode(wav))


def test_bad_chunks_are_refused(codec):
    stream = codec.stream()
    with pytest.raises(ValueError, match="NaN"):
        stream.encode(torch.tensor([0.0, float("nan")]))
    with pytest.raises(ValueError, match=r"expected \(N,\)"):
        stream.encode(torch.zeros(2, 10))
    with pytest.raises(ValueError, match="not empty"):
        stream.encode(torch.zeros(0))
    with pytest.raises(ValueError, match="belong to this model"):
        stream.decode(torch.full((3, 1), 16))
    stream.encode(torch.zeros(10), is_last=True)
    with pytest.raises(ValueError, match="start another stream"):
        stream.encode(torch.zeros(10))


@pytest.mark.parametrize("name", ["encoder", "decoder", "lstm"])
def test_a_model_that_looks_ahead_is_refused(tmp_path, name):
    conf = {key: dict(value) for key, value in CAUSAL.items()}
    if name == "lstm":
        conf["encoder_conf"]["bidirectional"] = True
    else:
        del conf[f"{name}_conf"]["causal"]
    codec = save(tmp_path, **conf)
    with pytest.raises(ValueError, match="looks ahead and cannot stream.*causal: true"):
        codec.stream()
