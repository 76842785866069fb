"""The codec's decoder as a vocoder: by itself, and how ESPnet's tasks come by it."""

from types import SimpleNamespace

import pytest
import torch
import yaml
from tiny import CODEC, save_experiment

from espnet_st.codec.generator import Generator
from espnet_st.codes import to_feats
from espnet_st.frontend.tts import TTSFeatures
from espnet_st.frontend.vocoder import Vocoder, add_vocoder
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.registry import register

register()

from espnet2.tasks.tts import TTSTask  # noqa: E402
from espnet2.tasks.tts2 import TTS2Task  # noqa: E402


@pytest.fixture(scope="module")
def vocoder(exp):
    return Vocoder(exp)


@pytest.fixture(scope="module")
def codes(codec):
    torch.manual_seed(5)
    return codec.encode(0.3 * torch.randn(40000))  # (3, 125): more than one chunk


def test_codes_are_decoded_as_the_codec_does(vocoder, codec, codes):
    feats = to_feats(codes[:, None])[0]  # (T, n_q)
    assert vocoder.fs == 16000 and not vocoder.state_dict()
    assert torch.equal(vocoder(feats), codec.decode(codes))
    assert torch.equal(vocoder(feats.to(torch.int32)), codec.decode(codes))
    assert torch.equal(vocoder(feats[:, :2]), codec.decode(codes[:2]))


def test_semantic_codes_come_with_and_without_an_axis(vocoder, codec, codes):
    expected = codec.decode(codes[:1])
    assert expected.shape == (125 * 320,)
    assert torch.equal(vocoder(codes[0]), expected)
    assert torch.equal(vocoder(codes[0][:, None]), expected)


@pytest.mark.parametrize("n_q", [1, 2, 8])
def test_vectors_are_decoded_as_their_codes_to_the_bit(tmp_path, n_q):
    torch.manual_seed(n_q)
    conf = CODEC | {"quantizer_conf": {"n_q": n_q, "codebook_size": 16}}
    save_experiment(tmp_path, Generator(**conf), conf)
    codec = AudioCoding.from_pretrained(tmp_path)
    codes = torch.randint(16, (n_q, 230))
    vectors = codec.quantized(codes).sum(0)  # (T, D)
    assert torch.equal(Vocoder(codec)(vectors), codec.decode(codes))
    assert torch.equal(Vocoder(codec)(vectors.double()), codec.decode(codes))


def test_what_is_decoded_can_be_trained_on(vocoder, codec, codes):
    vectors = codec.quantized(codes).sum(0).requires_grad_()
    wav = vocoder(vectors)
    assert not wav.is_inference() and not wav.requires_grad


@pytest.mark.parametrize(
    ("feats", "message"),
    [
        (torch.full((5, 3), 8), r"codes lie in \[8, 8\]; expected \[0, 7\]"),
        (torch.full((5,), -1), r"codes lie in \[-1, -1\]"),
        (torch.zeros(5, 4).long(), r"shape \(4, 5\); expected \(k, T\) with k at most"),
        (torch.zeros(0, 3).long(), "did the model end at once"),
        (torch.zeros(0).long(), "did the model end at once"),
        (torch.zeros(1, 5, 3).long(), r"expected \(T,\) or \(T, k\)"),
        (torch.zeros(5, 15), r"vectors have shape \(5, 15\); expected \(T, 16\)"),
        (torch.zeros(0, 16), "T at least 1"),
        (torch.full((5, 16), float("nan")), "expected finite floats"),
    ],
)
def test_what_cannot_be_decoded_is_refused(vocoder, feats, message):
    with pytest.raises(ValueError, match=message):
        vocoder(feats)


@pytest.mark.parametrize("task", [TTSTask, TTS2Task])
def test_a_task_builds_it_from_a_directory_or_a_checkpoint(task, exp, codes):
    checkpoint = exp / "train.total_count.best.pth"
    made = [
        task.build_vocoder_from_file(None, exp),
        task.build_vocoder_from_file(None, str(checkpoint)),
        task.build_vocoder_from_file(str(exp / "config.yaml"), checkpoint, None, "cpu"),
    ]
    wavs = [one(codes[0]) for one in made]
    assert all(torch.equal(wav, wavs[0]) for wav in wavs) and len(wavs[0]) == 40000


def test_features_that_are_codes_have_their_vocoder(exp):
    features = TTSFeatures(exp)
    found = TTSTask.build_vocoder_from_file(
        None, None, SimpleNamespace(feats_extract=features)
    )
    assert found.codec is features.codec


def test_what_is_espnets_stays_espnets(tmp_path):
    before = TTSTask.build_vocoder_from_file
    add_vocoder(TTSTask)  # a second time
    assert TTSTask.build_vocoder_from_file.__func__ is before.__func__
    config = tmp_path / "griffin_lim.yaml"
    config.write_text(yaml.safe_dump({"n_fft": 64, "n_shift": 16, "fs": 16000}))
    model = SimpleNamespace(feats_extract=None)
    found = TTSTask.build_vocoder_from_file(str(config), None, model)
    assert type(found).__name__ == "Spectrogram2Waveform"
    with pytest.raises(AssertionError, match="must have a vocoder"):
        TTS2Task.build_vocoder_from_file()
    with pytest.raises((ImportError, FileNotFoundError)):
        TTSTask.build_vocoder_from_file(None, str(tmp_path / "missing.pkl"))


def test_what_is_no_codec_is_refused(exp, tmp_path):
    with pytest.raises(ValueError, match="neither a directory"):
        (tmp_path / "x.bin").write_bytes(b"x")
        TTSTask.build_vocoder_from_file(None, tmp_path / "x.bin")
    with pytest.raises(ValueError, match="leave it out"):
        TTSTask.build_vocoder_from_file(exp / "config.yaml", exp)
    with pytest.raises(ValueError, match="config.yaml"):
        TTSTask.build_vocoder_from_file(None, tmp_path / "x.pth")
