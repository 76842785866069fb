"""Codecs of units as users have them: loading, batches, a teacher that is away, zips."""

import shutil

import pytest
import torch
from tiny_units import DECODERS, K, make_units, save_teacher_with_units, save_units

from espnet_st.checkpoints.packing import pack
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.description import describe_model

pytest.importorskip("transformers")
LENGTHS = (1, 319, 320, 321, 5000, 40000)  # the last over two chunks


@pytest.fixture(scope="module")
def wavs():
    draw = torch.Generator().manual_seed(2)
    return [0.1 * torch.randn(n, generator=draw) for n in LENGTHS]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe's directory, where names are relative, with a codec of each decoder."""
    directory = tmp_path_factory.mktemp("recipe")
    teacher = save_teacher_with_units(directory)
    relative = {"name": "exp/teacher", "layer": "units", "units_file": "exp/units.npy"}
    for decoder in DECODERS:
        model = make_units(teacher, decoder).eval()
        with torch.no_grad():
            model(0.1 * torch.randn(2, 6400))
        save_units(directory / f"exp/codec_{decoder}", model, relative, decoder)
    return directory


@pytest.fixture(scope="module", params=DECODERS)
def codec(request, recipe):
    return AudioCoding.from_pretrained(recipe / f"exp/codec_{request.param}")


def test_its_sizes(codec):
    assert (codec.n_q, codec.codebook_size, codec.hop_length) == (1, K, 320)
    assert codec.sample_rate == 16000 and codec.frame_rate == 50
    assert codec.codebooks.shape == (1, K, 12)
    assert not any("hubert" in key for key in codec.generator.state_dict())


def test_a_batch_has_the_codes_and_sound_of_each_alone(codec, wavs):
    batch = codec.encode_batch(wavs)
    for wav, codes, sound in zip(wavs, batch, codec.decode_batch(batch), strict=True):
        assert codes.shape == (1, -(-len(wav) // 320)) and codes.dtype == torch.int64
        assert torch.equal(codes, codec.encode(wav))
        assert sound.shape == (codes.shape[1] * 320,)
        torch.testing.assert_close(sound, codec.decode(codes), rtol=1e-4, atol=1e-6)


def test_chunks_are_the_whole(codec, wavs):
    codes = codec.encode(wavs[-1])
    whole = codec.generator.decode(codes[:, None])[0, 0]
    torch.testing.assert_close(codec.decode(codes), whole, rtol=1e-4, atol=1e-6)
    assert torch.equal(codes, codec.generator.encode(wavs[-1][None, None])[:, 0])


def test_vectors_are_centroids(codec, wavs):
    codes = codec.encode(wavs[4])
    vectors = codec.quantized(codes)
    assert torch.equal(vectors[0], codec.codebooks[0][codes[0]])
    assert torch.equal(codec.decode_vectors(vectors.sum(0)), codec.decode(codes))


def test_the_teacher_is_found_by_the_recipe_it_was_trained_in(
    recipe, wavs, tmp_path, monkeypatch
):
    """Not in the working directory, where another recipe's may lie."""
    other = tmp_path / "other"
    save_teacher_with_units(other)
    path = other / "exp/teacher/preprocessor_config.json"
    path.write_text(path.read_text().replace("16000", "8000"))
    expected = AudioCoding.from_pretrained(recipe / "exp/codec_spectral").encode(wavs[4])
    monkeypatch.chdir(other)
    codec = AudioCoding.from_pretrained(recipe / "exp/codec_spectral")
    assert torch.equal(codec.encode(wavs[4]), expected)


def test_without_a_teacher_units_are_decoded_but_not_made(recipe, wavs, tmp_path):
    shutil.copytree(recipe / "exp/codec_spectral", tmp_path / "alone")
    whole = AudioCoding.from_pretrained(recipe / "exp/codec_spectral")
    alone = AudioCoding.from_pretrained(tmp_path / "alone")
    codes = whole.encode(wavs[4])
    assert torch.equal(alone.decode(codes), whole.decode(codes))
    with pytest.raises(ValueError, match="teacher 'exp/teacher' could not be loaded"):
        alone.encode(wavs[4])


def test_a_zip_carries_the_teacher(recipe, wavs, tmp_path, monkeypatch):
    source = recipe / "exp/codec_spectral"
    archive = pack("codec", source, tmp_path / "units.zip")
    whole = AudioCoding.from_pretrained(source)
    monkeypatch.chdir(tmp_path)
    packed = AudioCoding.from_pretrained(archive)
    codes = whole.encode(wavs[4])
    assert torch.equal(packed.encode(wavs[4]), codes)
    assert torch.equal(packed.decode(codes), whole.decode(codes))


def test_a_teacher_that_cannot_travel_is_refused(recipe, tmp_path):
    directory = tmp_path / "exp/codec"
    shutil.copytree(recipe / "exp/codec_spectral", directory)
    (tmp_path / "exp/teacher").mkdir()
    with pytest.raises(ValueError, match="has no config.json: only a directory in"):
        pack("codec", directory, tmp_path / "units.zip")
    config = directory / "config.yaml"
    config.write_text(config.read_text().replace("exp/teacher", "/no/teacher"))
    with pytest.raises(ValueError, match="the teacher /no/teacher is not there"):
        pack("codec", directory, tmp_path / "units.zip")


def test_it_is_described(recipe):
    about = describe_model(recipe / "exp/codec_hifigan")
    assert (about["codec"], about["decoder"]) == ("hubert_units", "hifigan")
    assert about["n_q"] == 1 and about["streams"] is False
    assert about["parameters"]["encoder"] == 0


def test_nothing_streams(codec):
    with pytest.raises(ValueError, match="stream"):
        codec.stream()
