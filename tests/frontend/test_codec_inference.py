"""`gan_codec_inference` in batches: what it writes, and what it refuses."""

import numpy as np
import pytest
import soundfile
import torch
import yaml
from replay import ROOT, TEXTS, make_corpus

from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.registry import COMMANDS, register

register()

from espnet_st.bin.gan_codec_inference import main  # noqa: E402


@pytest.fixture
def decode(tmp_path, monkeypatch):
    """Run the command on four utterances, in a directory that it gives."""
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)
    options = ["--data_path_and_name_and_type", "wav.scp,audio,sound"]
    options += ["--output_dir", "out", "--num_workers", "0"]

    def run(*more):
        main([*options, *map(str, more)])
        return tmp_path

    return run


def test_it_stands_in_for_espnets():
    assert COMMANDS["espnet2.bin.gan_codec_inference"] == main.__module__


def test_codes_without_sound(decode, exp, codec):
    work = decode("--train_config", exp, "--encode_only", "true", "--batch_size", 3)
    lines = (work / "out/codec/codec.scp").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [*TEXTS]
    for key, path in map(str.split, lines):
        wav, _ = soundfile.read(f"{key}.wav", dtype="float32")
        codes = torch.from_numpy(np.load(path))
        assert torch.equal(codes[:, 0], codec.encode(wav))
    assert not (work / "out/wav").exists()


def test_a_packed_codec_and_chosen_keys(decode, tmp_path):
    packed = ROOT / "tests/trained/codec.zip"
    (tmp_path / "keys").write_text("u0\nu2\n")
    work = decode("--model_tag", packed, "--batch_size", 8, "--key_file", "keys")
    codec = AudioCoding.from_pretrained(packed)
    found = sorted(path.stem for path in (work / "out/wav").iterdir())
    assert found == ["u0", "u2"]
    for key in found:
        codes = np.load(work / f"out/codec/{key}.npy")[:, 0]
        made, rate = soundfile.read(work / f"out/wav/{key}.wav", dtype="int16")
        expected = 32768 * codec.decode(codes).clamp(-1, 1).numpy()
        assert rate == codec.sample_rate and np.abs(made - expected).max() <= 1


def test_other_codecs_are_left_to_espnet(decode, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"codec": "soundstream"}))
    with pytest.raises(NotImplementedError, match="batch decoding"):
        decode("--train_config", tmp_path / "config.yaml", "--batch_size", 2)


def test_an_empty_utterance_is_refused(decode, exp, tmp_path):
    soundfile.write(tmp_path / "u0.wav", np.zeros(0), 16000)
    with pytest.raises(ValueError, match="empty"):
        decode("--train_config", exp, "--batch_size", 2)


def test_impossible_options_are_refused(decode, exp):
    with pytest.raises(SystemExit, match="give --train_config"):
        decode()
    with pytest.raises(SystemExit, match="--batch_size 0: expected 1 or more"):
        decode("--train_config", exp, "--batch_size", 0)
    with pytest.raises(ValueError, match="neither a directory|is this the directory"):
        decode("--train_config", "wav.scp")
