"""Text2Speech, with a stand-in for the codec: voices, texts, ends, bad input."""

import zipfile

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_uslm import CODES, HOP, StandIn, never, save_uslm

from espnet_st.inference import text2speech as tts_inference
from espnet_st.inference.text2speech import Text2Speech


@pytest.fixture
def exp(tmp_path):
    return save_uslm(tmp_path / "exp")


def test_a_text_is_spoken_in_a_voice(exp):
    codec = StandIn()
    tts = Text2Speech.from_pretrained(exp, codec=codec, minlenratio=2.0)
    out = tts("abc", speech=np.zeros(3200), prompt_text="ab", sample_rate=8000)
    assert codec.encoded == [6400]
    assert out["codes"].shape[0] == 4 and out["codes"].shape[1] >= 6
    assert out["wav"].shape == (out["codes"].shape[1] * HOP,)
    again = tts("abc", speech=np.zeros(3200), prompt_text="ab", sample_rate=8000)
    assert torch.equal(out["codes"], again["codes"])
    assert tts.fs == 16000


def test_a_text_needs_no_prompt_and_options_replace(exp):
    tts = Text2Speech.from_pretrained(exp, codec=StandIn())
    out = tts("abc", minlenratio=3.0, maxlenratio=3.0, temperature=0)
    assert out["codes"].shape == (4, 9)


def test_espnets_form_names_the_files(exp):
    tts = Text2Speech(
        train_config=exp / "config.yaml",
        model_file=exp / "valid.loss.best.pth",
        codec=StandIn(),
        minlenratio=1.0,
    )
    assert tts("abc")["wav"].dim() == 1


@pytest.mark.parametrize(
    "call, message",
    [
        (dict(text=" "), "has nothing to speak"),
        (dict(text="a", prompt_text="b"), "of no voice: give speech"),
        (dict(text="a", speech="a.wav", sample_rate=8000), "8000 of a file"),
        (dict(text="a", speech="none.wav"), "cannot read audio none.wav"),
        (dict(text="a", speech=np.zeros(0)), "not empty"),
        (dict(text="a", speech=np.zeros(9), prompt_codes=CODES), "one of them"),
        (dict(text="a", prompt_codes=CODES[:3]), "3 layers; expected 4"),
        (dict(text="a", prompt_codes=CODES + 9), r"expected \[0, 10\]"),
        (dict(text="a", nbest=0), "nbest is 0"),
        (dict(text="xyz"), r"never saw: \[.x., .y., .z.\], and no others"),
        (dict(text=np.array([9])), "expected 0 to 6; is the token list"),
        (dict(text="a", temperature=-1.0), "temperature is -1.0"),
    ],
)
def test_unusable_calls_are_refused(exp, call, message):
    tts = Text2Speech.from_pretrained(exp, codec=StandIn())
    with pytest.raises(ValueError, match=message):
        tts(**call)


def test_espnets_call_forms_are_taken(exp):
    files = dict(
        train_config=str(exp / "config.yaml"),
        model_file=str(exp / "valid.loss.best.pth"),
    )
    tts = Text2Speech.from_pretrained(**files, codec=StandIn(), minlenratio=1.0)
    named = Text2Speech.from_pretrained(model_tag=str(exp), codec=StandIn())
    wav = tts("abc")["wav"]
    by_ids = tts(torch.tensor([2, 3, 4]))["wav"]
    by_conf = named("abc", decode_conf=dict(minlenratio=1.0))["wav"]
    assert wav.dim() == 1 and wav.equal(by_ids) and wav.equal(by_conf)
    with pytest.raises(TypeError, match="temperatur"):
        Text2Speech(**files, codec=StandIn(), temperatur=1.0)


def test_a_voice_comes_as_samples_file_or_codes(exp, tmp_path):
    codec = StandIn()
    tts = Text2Speech.from_pretrained(exp, codec=codec, minlenratio=2.0)
    rng = np.random.default_rng(0)
    samples = (rng.uniform(-0.5, 0.5, 3200) * 32768).astype(np.int16)
    soundfile.write(tmp_path / "voice.wav", samples, 16000)
    outs = [
        tts("abc", prompt_text="ab", speech=samples),
        tts("abc", prompt_text="ab", speech=tmp_path / "voice.wav"),
        tts("abc", prompt_text="ab", speech=str(tmp_path / "voice.wav")),
        tts("abc", prompt_text="ab", prompt_codes=codec.encode(samples)),
    ]
    assert all(out["codes"].equal(outs[0]["codes"]) for out in outs)
    assert not outs[0]["codes"].equal(tts("abc")["codes"])


@pytest.mark.parametrize("frames", [5, 2000 - 9])
@pytest.mark.parametrize("words", ["ab", None, " ", "abcabcabcabc"])
def test_any_voice_below_the_limit_is_taken(exp, frames, words):
    """Of 0.1 s or 40 s; with its words, without, or with wrong ones."""
    tts = Text2Speech.from_pretrained(exp, codec=StandIn(), minlenratio=1.0)
    out = tts("abc", prompt_text=words, prompt_codes=torch.zeros(4, frames).long())
    assert 3 <= out["codes"].shape[1] <= 9


def test_a_voice_of_a_minute_is_too_long(exp):
    tts = Text2Speech.from_pretrained(exp, codec=StandIn())
    with pytest.raises(ValueError, match="3000 frames: give fewer than max_frames"):
        tts("abc", speech=np.zeros(60 * 16000), prompt_text="ab")


def test_a_silent_voice_is_named(exp, caplog):
    tts = Text2Speech.from_pretrained(exp, codec=StandIn(), minlenratio=1.0)
    assert tts("abc", speech=np.zeros(3200), prompt_text="ab")["codes"].shape[1] >= 3
    assert "the prompt is silent" in caplog.text


def test_unknown_symbols_are_named(exp, caplog):
    tts = Text2Speech.from_pretrained(exp, codec=StandIn(), minlenratio=1.0)
    assert tts.tokens("a z").tolist() == [2, 5, 1]
    assert "symbols that the model never saw: ['z']" in caplog.text
    assert tts("a z")["codes"].shape[1] >= 3


def test_a_long_text_is_spoken_in_parts(exp):
    config = yaml.safe_load((exp / "config.yaml").read_text())
    config["token_list"][4] = "."
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    options = dict(codec=StandIn(), minlenratio=1.0, maxlenratio=2.0)
    tts = Text2Speech.from_pretrained(exp, max_tokens=5, batch_size=2, **options)
    out = tts("ab. ba. bb. ab.", prompt_codes=CODES, prompt_text="ab")
    assert 12 <= out["codes"].shape[1] <= 24
    assert out["wav"].shape == (out["codes"].shape[1] * HOP,)
    first = tts("ab.", prompt_codes=CODES, prompt_text="ab")["codes"]
    assert out["codes"][:, : first.shape[1]].equal(first)
    # The fourth part says what the first says, by draws of its own.
    assert not out["codes"][:, -first.shape[1] :].equal(first)
    at_once = Text2Speech.from_pretrained(exp, max_tokens=5, **options)
    again = at_once("ab. ba. bb. ab.", prompt_codes=CODES, prompt_text="ab")
    assert again["codes"].equal(out["codes"])
    whole = Text2Speech.from_pretrained(exp, max_tokens=0, **options)
    assert len(whole.parts("ab. ba. bb. ab.")) == 1 and len(tts.parts("ab. ba.")) == 2


def test_what_never_ends_is_cut_and_reported(exp, caplog):
    never(exp, ends=False)
    tts = Text2Speech.from_pretrained(exp, codec=StandIn(), maxlenratio=2.0)
    out = tts("abc")
    assert out["truncated"] and out["codes"].shape == (4, 6)
    assert "'abc' did not end: cut at its limit" in caplog.text


def test_what_ends_at_once_is_an_error(exp):
    never(exp, ends=True)
    tts = Text2Speech.from_pretrained(exp, codec=StandIn())
    with pytest.raises(ValueError, match="whatever was drawn: give a minlenratio"):
        tts("abc")
    voice = dict(prompt_codes=CODES, prompt_text="ab")
    with pytest.raises(ValueError, match="whatever was drawn: give ar_prompt=False"):
        tts("abc", **voice)
    with pytest.raises(ValueError, match="give a minlenratio"):  # the advice is taken
        tts("abc", **voice, ar_prompt=False)
    assert not tts("abc", minlenratio=1.0)["truncated"]


def test_narrow_weights_speak(exp, has_bfloat16):
    for dtype in ("bfloat16", "int8"):
        tts = Text2Speech.from_pretrained(exp, codec=StandIn(), dtype=dtype)
        assert tts("abc", minlenratio=2.0)["codes"].shape[1] >= 6
    with pytest.raises(ValueError, match="dtype is 'float16'"):
        Text2Speech.from_pretrained(exp, codec=StandIn(), dtype="float16")


def test_a_callers_autocast_changes_nothing(exp):
    tts = Text2Speech.from_pretrained(exp, codec=StandIn(), minlenratio=3.0)
    plain = tts("abc", prompt_codes=CODES, prompt_text="ab")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = tts("abc", prompt_codes=CODES.numpy(), prompt_text="ab")
    assert cast["codes"].equal(plain["codes"]) and cast["score"] == plain["score"]


def test_the_codec_is_found_beside_the_config(exp, monkeypatch):
    asked = []
    monkeypatch.setattr(
        tts_inference.AudioCoding,
        "from_pretrained",
        lambda source, device: asked.append(source) or StandIn(),
    )
    with pytest.raises(ValueError, match="codec.yaml names the codec: pass"):
        Text2Speech.from_pretrained(exp)
    (exp / "codec.yaml").write_text("codec: ../codec_x\n")
    (exp / "../codec_x").mkdir()
    Text2Speech.from_pretrained(exp)
    (exp / "codec.yaml").write_text("codec: someone/a_codec\n")
    Text2Speech.from_pretrained(exp)
    assert asked[0].resolve() == (exp / "../codec_x").resolve()
    assert asked[1:] == ["someone/a_codec"]
    (exp / "codec.yaml").write_text("codecs: x\n")
    with pytest.raises(ValueError, match="names no codec: expected a line"):
        Text2Speech.from_pretrained(exp)


def test_a_codec_of_other_codes_is_refused(exp):
    codec = StandIn()
    codec.codebook_size = 12
    with pytest.raises(ValueError, match="4 layers of 11 codes, the codec 4 of 12"):
        Text2Speech.from_pretrained(exp, codec=codec)


def test_a_checkpoint_that_does_not_fit_is_refused(exp):
    torch.save({}, exp / "valid.loss.best.pth")
    with pytest.raises(ValueError, match="does not fit the model"):
        Text2Speech.from_pretrained(exp, codec=StandIn())


def test_another_model_is_refused(exp):
    (exp / "config.yaml").write_text("tts: tacotron2\n")
    with pytest.raises(ValueError, match="is of tts 'tacotron2'; expected 'uslm'"):
        Text2Speech.from_pretrained(exp, codec=StandIn())


def test_a_packed_model_names_its_codec(exp, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        tts_inference.AudioCoding,
        "from_pretrained",
        lambda source, device: asked.append(source) or StandIn(),
    )
    meta = dict(
        yaml_files=dict(train_config="exp/config.yaml"),
        files=dict(model_file="exp/model.pth"),
    )
    with zipfile.ZipFile(tmp_path / "uslm.zip", "w") as archive:
        archive.writestr("meta.yaml", yaml.safe_dump(meta))
        archive.write(exp / "config.yaml", "exp/config.yaml")
        archive.write(exp / "valid.loss.best.pth", "exp/model.pth")
        archive.writestr("exp/codec.yaml", "codec: someone/a_codec\n")
    packed = Text2Speech.from_pretrained(tmp_path / "uslm.zip", minlenratio=1.0)
    assert asked == ["someone/a_codec"]
    plain = Text2Speech.from_pretrained(exp, codec=StandIn(), minlenratio=1.0)
    assert packed("abc")["codes"].equal(plain("abc")["codes"])
