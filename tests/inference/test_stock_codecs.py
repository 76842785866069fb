"""ESPnet's own codecs, trained by ESPnet and loaded by us: what ESPnet says of them."""

import json

import numpy as np
import pytest
import soundfile
import torch
import yaml
from espnet2.bin.gan_codec_inference import AudioCoding as EspnetAudioCoding
from tiny_stock import CONFS, ENCODEC, GENERATOR, save_stock

from espnet_st.checkpoints.loading import find_checkpoint
from espnet_st.checkpoints.packing import pack
from espnet_st.codes import CodesReader
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.description import describe_model

LENGTHS = (1, 100, 319, 320, 321, 5000, 16000, 32003)  # the last over two chunks


@pytest.fixture(scope="module", params=CONFS)
def trained(request, tmp_path_factory):
    """An experiment directory of one kind of codec."""
    directory = tmp_path_factory.mktemp(request.param)
    save_stock(directory, request.param)
    return directory


@pytest.fixture(scope="module")
def codec(trained):
    return AudioCoding.from_pretrained(trained)


@pytest.fixture(scope="module")
def stock(trained):
    return EspnetAudioCoding(trained / "config.yaml", find_checkpoint(trained))


@pytest.fixture(scope="module")
def encodec(tmp_path_factory):
    directory = tmp_path_factory.mktemp("encodec")
    save_stock(directory, "encodec")
    return directory


@pytest.fixture(scope="module")
def wavs():
    draw = torch.Generator().manual_seed(2)
    return [0.1 * torch.randn(n, generator=draw) for n in LENGTHS]


def same_sound(ours, theirs):
    """Whether two waveforms are equal up to the rounding of float32."""
    return torch.allclose(ours, theirs.view(-1), atol=1e-6, rtol=1e-5)


def test_codes_and_sound_are_espnets(codec, stock, wavs):
    batch = codec.encode_batch(wavs)
    for wav, codes, sound in zip(wavs, batch, codec.decode_batch(batch), strict=True):
        theirs = stock(wav)
        assert codes.shape == (3, -(-len(wav) // 320)) and codes.dtype == torch.int64
        assert torch.equal(codes, theirs["codes"][:, 0])
        assert torch.equal(codes, codec.encode(wav))
        assert same_sound(sound, theirs["resyn_audio"])
        assert sound.shape == (320 * codes.shape[1],)
        assert same_sound(codec(wav)["resyn_audio"], sound[: len(wav)])
    assert all(len(layer.unique()) > 1 for layer in batch[-1])


def test_the_first_layers_are_decoded_as_espnet_does(codec, stock, wavs):
    codes = codec.encode(wavs[-1])
    for k in (1, 2):
        theirs = stock.decode(codes[:k, None])["resyn_audio"]
        assert same_sound(codec.decode(codes[:k]), theirs)


def test_sizes_and_rates_are_those_of_the_configuration(codec):
    assert (codec.sample_rate, codec.hop_length, codec.frame_rate) == (16000, 320, 50)
    assert (codec.n_q, codec.codebook_size) == (3, 8)
    assert codec.codebooks.shape == (3, 8, 12)


def test_vectors_are_those_that_the_decoder_takes(codec, wavs):
    codes = codec.encode(wavs[-2])
    vectors = codec.quantized(codes)
    assert vectors.shape == (3, codes.shape[1], 12)
    entries = [book[layer] for book, layer in zip(codec.codebooks, codes)]
    torch.testing.assert_close(vectors, torch.stack(entries))
    sound = codec.decode_vectors(vectors.sum(0))
    torch.testing.assert_close(sound, codec.decode(codes), atol=1e-5, rtol=0)
    later = codec.decode_vectors(vectors[1:].sum(0))
    torch.testing.assert_close(later, codec.decode(codes[1:], 1), atol=1e-5, rtol=0)
    other = codec.decode(codes[1:])
    assert (later - other).abs().max() > 0.01 * later.abs().max()


def test_layers_that_are_not_there_are_refused(codec):
    codes = torch.zeros(2, 4, dtype=torch.long)
    with pytest.raises(ValueError, match=r"k at most 1"):
        codec.decode(codes, start=2)
    with pytest.raises(ValueError, match=r"2 layers from layer 2 on.*0 to 2"):
        codec.generator.codes_to_vectors(codes[:, None], start=2)


def test_it_says_what_it_cannot_do(encodec):
    codec = AudioCoding.from_pretrained(encodec, dtype="auto")
    assert {p.dtype for p in codec.generator.parameters()} == {torch.float32}
    with pytest.raises(ValueError, match="SEANetEncoder runs in float32 only"):
        AudioCoding.from_pretrained(encodec, dtype="bfloat16")
    with pytest.raises(ValueError, match="looks at a whole signal and cannot stream"):
        codec.stream()


def test_layers_that_were_never_trained_are_not_there(tmp_path, wavs):
    """Its target bandwidths go up to two layers of three."""
    params = GENERATOR | {"quantizer_target_bandwidth": [0.15, 0.3]}
    save_stock(tmp_path, "encodec", ENCODEC | {"generator_params": params})
    codec = AudioCoding.from_pretrained(tmp_path)
    theirs = EspnetAudioCoding(tmp_path / "config.yaml", tmp_path / "latest.pth")
    assert codec.n_q == 2 and len(codec.codebooks) == 2
    codes = codec.encode(wavs[-1])
    assert torch.equal(codes, theirs(wavs[-1], encode_only=True)["codes"][:, 0])


def test_defaults_stand_in_for_what_a_configuration_leaves_out():
    """Also after ESPnet has written into its own defaults."""
    from espnet2.gan_codec.dac.dac import DAC as EspnetDAC

    from espnet_st.codec.stock import StockGenerator

    EspnetDAC(sampling_rate=44100)
    generator = StockGenerator("dac", {})
    small = {"hidden_dim": 16, "encdec_n_filters": 2}  # ESPnet takes no part of them
    other = StockGenerator("soundstream", {"generator_params": small})
    assert (generator.sample_rate, generator.hop_length) == (24000, 320)
    assert (generator.n_q, generator.codebook_size) == (8, 1024)
    assert (other.dimension, other.frame_rate) == (16, 75)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"codec": "funcodec"}, "of codec 'funcodec'; expected .*encodec.*dac"),
        ({"codec": "nocodec"}, "expected 'speechtokenizer' or 'hubert_units' or"),
        ({"codec_conf": ENCODEC | {"bandwidth": 3}}, "encodec has no option 'bandw"),
        (
            {"codec_conf": {"generator_params": GENERATOR | {"bins": 3}}},
            "generator_params: encodec has no option 'bins'",
        ),
        (
            {"codec_conf": {"generator_params": GENERATOR | {"quantizer_bins": 9}}},
            "does not fit the model",
        ),
        ({"codec": "dac"}, "does not fit the model, .*_codebook"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    encodec, tmp_path, change, message
):
    config = yaml.safe_load((encodec / "config.yaml").read_text()) | change
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "latest.pth").symlink_to(encodec / "latest.pth")
    with pytest.raises(ValueError, match=message):
        AudioCoding.from_pretrained(tmp_path)


def test_packed_it_has_the_same_codes_and_goes_into_espnet(encodec, tmp_path, wavs):
    from espnet2.main_funcs.pack_funcs import unpack

    archive = pack("codec", encodec, tmp_path / "codec.zip")
    codec = AudioCoding.from_pretrained(encodec)
    codes = codec.encode(wavs[-1])
    packed = AudioCoding.from_pretrained(archive)
    assert torch.equal(packed.encode(wavs[-1]), codes)
    assert describe_model(archive)["packed"]["model"]["n_q"] == 3
    theirs = EspnetAudioCoding(**unpack(str(archive), tmp_path / "there"))
    assert torch.equal(theirs(wavs[-1])["codes"][:, 0], codes)


def test_it_is_described(encodec):
    about = describe_model(encodec)
    assert about["kind"] == "codec" and about["codec"] == "encodec"
    assert about["dimension"] == 12 and about["n_q"] == 3
    assert about["bits_per_second"] == {"1": 150, "1-2": 300, "1-3": 450}
    assert about["parameters"]["codebooks"] == 3 * 8 * 12
    assert about["streams"] is False


def test_commands_take_it(encodec, tmp_path, wavs, capsys):
    """Stages 5 and 7, and what a user types."""
    from espnet_st.bin import codec_inference, tokenize, voice_conversion
    from espnet_st.bin.cli import main

    lines = []
    for key, wav in zip("abc", wavs[-3:], strict=True):
        soundfile.write(tmp_path / f"{key}.wav", wav.numpy(), 16000, "FLOAT")
        lines.append(f"{key} {tmp_path / key}.wav\n")
    (tmp_path / "wav.scp").write_text("".join(lines))
    (tmp_path / "utt2ref").write_text("a b\nb c\n")
    source = ["--codec", str(encodec)]
    codes, out = tmp_path / "codes", tmp_path / "out"
    scp = ["--wav_scp", str(tmp_path / "wav.scp")]
    tokenize.main([*source, *scp, "--output_dir", str(codes)])
    codec = AudioCoding.from_pretrained(encodec)
    reader = CodesReader(codes / "codes.scp")
    for key, wav in zip("abc", wavs[-3:], strict=True):
        assert torch.equal(reader[key], codec.encode(wav))
    assert np.load(codes / "codebooks.npy").shape == (3, 8, 12)

    index = ["--codes_scp", str(codes / "codes.scp")]
    first = ["--layers", "1", "--output_dir", str(out / "rvq1")]
    codec_inference.main([*source, *index, *scp, *first])
    sound, _ = soundfile.read(out / "rvq1/wav/b.wav", dtype="float32")
    expected = codec.decode(reader["b"][:1])[: len(wavs[-2])]
    assert np.abs(sound - expected.numpy()).max() < 1e-4
    refs = ["--utt2ref", str(tmp_path / "utt2ref"), "--layers", "2-3"]
    voice_conversion.main([*source, *index, *refs, "--output_dir", str(out / "vc")])
    sound, _ = soundfile.read(out / "vc/wav/a.wav")
    assert len(sound) == 320 * reader["a"].shape[1]

    user = ["--model", str(encodec)]
    wav = str(tmp_path / "a.wav")
    assert main(["tokenize", wav, *user, "--output", str(out / "user")]) in (
        0,
        None,
    )
    assert main(["resynthesize", wav, *user, "--output", str(out / "r")]) in (
        0,
        None,
    )
    assert list((out / "r").rglob("a.wav"))
    voice = ["--reference", str(tmp_path / "b.wav"), "--layers", "2-3"]
    assert main(["convert-voice", wav, *user, *voice, "--output", str(out / "v")]) == 0
    capsys.readouterr()
    assert main(["info", "--json", str(encodec)]) == 0
    assert json.loads(capsys.readouterr().out)["codec"] == "encodec"
