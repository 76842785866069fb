"""What the page answers: a codec of 4 layers at 24 kHz, small trained models."""

from pathlib import Path

import pytest
import torch
from html_reader import Reader

from espnet_st.data.audio import load_audio
from espnet_st.demo.actions import Actions
from espnet_st.demo.inputs import Limits
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.code_swapping import swap_layers
from espnet_st.inference.text2speech import Text2Speech
from espnet_st.inference.voice_conversion import conversion_by_nar

TRAINED = Path(__file__).resolve().parents[1] / "trained"
FIRST, SECOND = (
    str(TRAINED / f"prompts/{name}-test-0000.flac") for name in ("espf", "rmsx")
)


@pytest.fixture(scope="module")
def tts():
    codec = AudioCoding.from_pretrained(TRAINED / "codec.zip")
    return Text2Speech.from_pretrained(TRAINED / "uslm.zip", codec=codec)


@pytest.fixture
def trained(tts, store):
    limits = Limits(characters=40)
    return Actions(tts.codec, tts, limits, store, lambda path: f"/wavs/{path}")


def played(html, rate):
    """What the players of an answer play, by their titles."""
    audio = [attrs for tag, attrs in Reader(html).tags if tag == "audio"]
    assert all(one["src"].startswith("/wavs/") for one in audio)
    wavs = [load_audio(one["src"].removeprefix("/wavs/"), rate) for one in audio]
    return dict(zip([one["aria-label"] for one in audio], wavs, strict=True))


def assert_same(wav, expected):
    """Equal but for the 16 bits of a file."""
    assert torch.allclose(wav, expected.clamp(-1, 1), atol=1e-4)


def test_an_analysis_plays_all_layers_beside_the_original(actions, write, noise):
    path, codec = write(noise[:20001]), actions.codec
    html = actions.analyse(path)
    wavs = played(html, 24000)
    assert list(wavs) == [
        "original", "layer 1", "layers 1:2", "layers 1:3", "layers 1:4",
        "layers 2:4 alone",
    ]  # fmt: skip
    codes = codec.encode(torch.from_numpy(noise[:20001]))
    assert_same(wavs["original"], torch.from_numpy(noise[:20001]))
    assert_same(wavs["layers 1:3"], codec.decode(codes[:3])[:20001])
    rates = [text for text in Reader(html).text if "kbit" in text]
    assert rates == [
        "384 kbit/s", "0.3 kbit/s", "0.6 kbit/s", "0.9 kbit/s", "1.2 kbit/s",
        "0.9 kbit/s",
    ]  # fmt: skip
    figures = [attrs for tag, attrs in Reader(html).tags if attrs.get("role") == "img"]
    assert [one["aria-label"].partition(":")[0] for one in figures] == [
        "Waveform",
        "Mel spectrogram",
        "Codes",
    ]


def test_an_analysis_says_how_far_it_is(actions, write, noise):
    steps = []
    actions.analyse(write(noise), lambda share, step: steps.append((share, step)))
    assert [step for _, step in steps][:2] == ["encoding", "layer 1"]
    shares = [share for share, _ in steps]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 1.0


def test_a_conversion_swaps_more_and_more_layers(actions, write, noise):
    speech, voice = write(noise), write(noise[::-2], name="voice.wav")
    codec = actions.codec
    wavs = played(actions.convert(speech, voice), 24000)
    assert list(wavs) == [
        "speech", "second voice", "no layer swapped", "layer 2 swapped",
        "layers 2:3 swapped", "layers 2:4 swapped",
    ]  # fmt: skip
    assert len(wavs["second voice"]) == 12000
    codes, other = (codec.encode(load_audio(one, 24000)) for one in (speech, voice))
    expected = codec.decode(swap_layers(codes, other, 3))
    assert_same(wavs["layers 2:3 swapped"], expected[:24000])
    assert_same(wavs["no layer swapped"], codec.decode(codes)[:24000])


def test_a_conversion_needs_both_voices(actions, write, noise):
    with pytest.raises(ValueError, match="no speech yet"):
        actions.convert(None, write(noise))
    with pytest.raises(ValueError, match="no second voice yet"):
        actions.convert(write(noise), None)


def test_a_conversion_needs_a_layer_to_swap(actions, write, noise, monkeypatch):
    monkeypatch.setattr(AudioCoding, "n_q", 1)
    with pytest.raises(ValueError, match="one layer: there is none to swap"):
        actions.convert(write(noise), write(noise))


def test_a_uslm_predicts_the_second_voice(trained):
    codec = trained.codec
    wavs = played(trained.convert(FIRST, SECOND), 16000)
    codes, other = (codec.encode(load_audio(one, 16000)) for one in (FIRST, SECOND))
    expected = codec.decode(conversion_by_nar(trained.tts, {})("", "", codes, other))
    title = "layers 2:8 predicted by the USLM"
    assert_same(wavs[title], expected[: len(wavs["speech"])])


def test_speech_too_long_for_the_uslm_is_still_swapped(trained, monkeypatch):
    monkeypatch.setattr(trained.tts.tts, "max_frames", 150)
    html = trained.convert(FIRST, SECOND)
    assert "The USLM cannot predict the voice: " in html and "max_frames, 150" in html
    assert list(played(html, 16000))[-1] == "layers 2:8 swapped"


def test_a_text_is_spoken_and_each_take_is_another(trained):
    text = "Why is the sailor so busy?"
    first, again, other = (
        played(trained.speak(text, FIRST, take=take), 16000)[text] for take in (1, 1, 2)
    )
    assert 0.5 < len(first) / 16000 < 6
    assert torch.equal(first, again)
    assert len(first) != len(other) or not torch.equal(first, other)


def test_letters_that_are_not_read_are_named(trained):
    html = trained.speak("hello мир", FIRST, "we always wash butter")
    assert "does not read и м р: left out" in html
    assert "hello мир" in played(html, 16000)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "no text yet"),
        ("a" * 41, "text has 41 characters; this page takes up to 40"),
        ("Привет", "letters that the G2P .* does not read"),
        ("...", "has nothing to speak: give some words"),
    ],
)
def test_a_text_that_cannot_be_spoken(trained, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        trained.speak(text, FIRST)


def test_the_words_of_the_speech_have_the_limits_of_a_text(trained):
    with pytest.raises(ValueError, match="text of the speech has 41 characters"):
        trained.speak("hello", FIRST, "a" * 41)


def test_a_model_that_says_nothing(trained, monkeypatch):
    ar = trained.tts.tts.ar
    weight = torch.zeros_like(ar.predict_layer.weight)
    weight[trained.codec.codebook_size] = 9.0  # the end is far the likeliest code
    monkeypatch.setattr(ar.predict_layer, "weight", torch.nn.Parameter(weight))
    ones = torch.nn.Parameter(torch.ones_like(ar.decoder.norm.bias))
    monkeypatch.setattr(ar.decoder.norm, "weight", torch.nn.Parameter(0 * ones))
    monkeypatch.setattr(ar.decoder.norm, "bias", ones)
    with pytest.raises(ValueError, match="ended before it said a word: try another"):
        trained.speak("hello", FIRST)


def test_without_a_uslm_nothing_is_spoken(actions, write, noise):
    with pytest.raises(ValueError, match="no USLM here: start the page with --uslm"):
        actions.speak("hello", write(noise))
