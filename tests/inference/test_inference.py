"""AudioCoding of a SEANet: odd input, groups, half precision, an hour."""

import multiprocessing
import os
import pickle
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from tiny import save_experiment

from espnet_st.codec import ragged
from espnet_st.codec.generator import Generator
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.kernels import processor

ROOT = Path(__file__).resolve().parents[2]
SIZE = {"n_filters": 2, "strides": [4, 10, 16], "lstm_layers": 1}
CONF = {
    "sample_rate": 16000,
    "dimension": 16,
    "semantic_dimension": 8,
    "encoder_conf": SIZE,
    "decoder_conf": SIZE,
    "quantizer_conf": {"n_q": 3, "codebook_size": 16},
}


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    directory = tmp_path_factory.mktemp("seanet")
    torch.manual_seed(0)
    generator = Generator(**CONF).eval().requires_grad_(False)
    latent = generator.encoder(torch.randn(4, 1, 16000))
    mean, spread = latent.mean((0, 2)), latent.std((0, 2))
    for number, layer in enumerate(generator.quantizer.layers):
        layer.entries.copy_(spread * torch.randn(16, 16) + mean * (number == 0))
    save_experiment(directory, generator, CONF)
    return directory


@pytest.fixture(scope="module")
def codec(exp):
    return AudioCoding.from_pretrained(exp)


@pytest.mark.parametrize("samples", [1, 2, 639, 640, 641])
@pytest.mark.parametrize("kind", ["silent", "clipped", "loud"])
def test_odd_audio_has_codes_and_sounds(codec, samples, kind):
    wav = {
        "silent": torch.zeros(samples),
        "clipped": torch.randn(samples).sign(),
        "loud": 20 * torch.randn(samples),
    }[kind]
    codes = codec.encode(wav)
    assert codes.shape == (3, -(-samples // 640))
    assert torch.isfinite(codec.decode(codes)).all()


def test_a_callers_autocast_changes_nothing(codec):
    wav = torch.randn(8000)
    codes = codec.encode(wav)
    decoded = codec.decode(codes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(codec.encode(wav), codes)
        assert torch.equal(codec.decode(codes), decoded)


def encode_in_process(codec, wav, queue):
    """Runs in a spawned process, which is handed a codec."""
    torch.set_num_threads(1)
    queue.put(codec.encode(wav).tolist())


@pytest.mark.parametrize("way", ["pickle", "deepcopy", "save"])
def test_a_codec_can_be_copied(codec, way, tmp_path):
    if way == "save":
        torch.save(codec, tmp_path / "codec.pt")
        other = torch.load(tmp_path / "codec.pt", weights_only=False)
    else:
        other = (
            pickle.loads(pickle.dumps(codec)) if way == "pickle" else deepcopy(codec)
        )
    wav = torch.randn(5000)
    codes = codec.encode(wav)
    assert torch.equal(other.encode(wav), codes)
    assert torch.equal(other.decode(codes), codec.decode(codes))
    assert other.generator is not codec.generator
    with torch.no_grad():
        next(other.generator.parameters()).zero_()
    assert torch.equal(codec.encode(wav), codes)


def test_a_codec_can_be_sent_to_a_spawned_process(codec, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, ROOT / "tests"))))
    context = multiprocessing.get_context("spawn")
    queue, wav = context.SimpleQueue(), torch.randn(3000)
    process = context.Process(target=encode_in_process, args=(codec, wav, queue))
    process.start()
    found = queue.get()
    process.join()
    assert process.exitcode == 0
    assert torch.equal(torch.tensor(found), codec.encode(wav))


def test_groups_do_not_matter(codec, monkeypatch):
    wavs = [torch.randn(length) for length in torch.randint(1, 30000, (12,)).tolist()]
    alone = [codec.encode(wav) for wav in wavs]
    for signals, frames in ((32, 12000), (3, 12000), (32, 60), (1, 1)):
        monkeypatch.setattr(ragged, "MAX_SIGNALS", signals)
        monkeypatch.setattr(ragged, "MAX_FRAMES", frames)
        found = codec.encode_batch(wavs)
        assert all(map(torch.equal, found, alone))
        decoded = codec.decode_batch(found)
        for codes, wav in zip(alone, decoded, strict=True):
            torch.testing.assert_close(wav, codec.decode(codes), rtol=0, atol=1e-5)


def test_half_precision_is_close(exp, codec, has_bfloat16):
    half = AudioCoding.from_pretrained(exp, dtype="bfloat16")
    wavs = [torch.randn(16000), torch.randn(50)]
    for wav, codes in zip(wavs, half.encode_batch(wavs), strict=True):
        expected = codec.encode(wav)
        assert codes.shape == expected.shape and codes.dtype == torch.int64
        assert (codes[0] == expected[0]).float().mean() > 0.7
    codes = codec.encode(wavs[0])
    found, expected = half.decode(codes), codec.decode(codes)
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()
    with pytest.raises(ValueError, match="'float16'; expected one of float32"):
        AudioCoding.from_pretrained(exp, dtype="float16")


@pytest.mark.parametrize("able", [False, True])
def test_bfloat16_is_what_the_processor_is_able_to(
    exp, codec, able, monkeypatch, caplog
):
    monkeypatch.setattr(processor, "has_bfloat16", lambda: able)
    kind = torch.bfloat16 if able else torch.float32
    for dtype in ("auto", "bfloat16"):
        assert ("computing in float32" in caplog.text) is False
        other = AudioCoding.from_pretrained(exp, dtype=dtype)
        assert {p.dtype for p in other.generator.encoder.parameters()} == {kind}
    assert ("computing in float32" in caplog.text) == (not able)
    wav = torch.randn(9000)
    assert able or torch.equal(other.encode(wav), codec.encode(wav))


def test_a_spectral_codec_computes_in_float32(tmp_path):
    conf = CONF | {"encoder": "spectral", "decoder": "spectral"}
    small = {"channels": 16, "hidden": 16}
    conf |= {"encoder_conf": small | {"n_mels": 20}, "decoder_conf": small}
    save_experiment(tmp_path, Generator(**conf), conf)
    auto = AudioCoding.from_pretrained(tmp_path, dtype="auto")
    assert {p.dtype for p in auto.generator.parameters()} == {torch.float32}
    with pytest.raises(ValueError, match="SpectralEncoder runs in float32 only"):
        AudioCoding.from_pretrained(tmp_path, dtype="bfloat16")


def peak_growth(function):
    """MiB by which this process grows at most meanwhile."""

    def status(field):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(x.split()[1]) for x in lines if x.startswith(field)) / 1024

    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    result = function()
    return result, status("VmHWM") - before


def test_an_hour_takes_little_memory(codec):
    wav = torch.randn(60 * 60 * 16000)  # 220 MiB
    codes, memory = peak_growth(lambda: codec.encode(wav))
    assert codes.shape == (3, 90000)
    assert memory < 400  # measured: 220; ten minutes as a whole: 696
    part = codec.encode(wav[: 20 * 16000])
    assert torch.equal(codes[:, :400], part[:, :400])
    codes = codes[:, :15000]  # ten minutes, 37 MiB
    decoded, memory = peak_growth(lambda: codec.decode(codes))
    assert decoded.shape == (15000 * 640,)
    assert memory < 200  # measured: 101 to 124; as a whole 1155
