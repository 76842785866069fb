"""Text2Speech and its command, with a stand-in for the codec."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_st.bin import tts_inference
from espnet_st.bin.codec_inference import AudioCoding
from espnet_st.bin.text import TextTokens, build_tokenizer
from espnet_st.bin.tts_inference import Text2Speech, main, parse_data
from espnet_st.codes import CodesReader

LETTERS = ["<blank>", "<unk>", "a", "b", "c", "<space>", "<sos/eos>"]
HOP = 320


class StandIn(AudioCoding):
    """A codec whose codes are the signal's own levels; hears and speaks anything."""

    n_q, codebook_size, sample_rate, hop_length = 4, 11, 16000, HOP

    def __init__(self):
        self.encoded = []

    def encode(self, wav, sample_rate=None):
        self.encoded.append(sample_rate)
        frames = -(-len(wav) // HOP)
        return torch.arange(4 * frames).view(4, frames) % 11

    def decode_batch(self, codes):
        return [one[0].float().repeat_interleave(HOP) / 11 for one in codes]

    def decode(self, codes):
        return self.decode_batch([codes])[0]


@pytest.fixture
def exp(tmp_path, tiny):
    """An experiment directory as ESPnet leaves it."""
    options = dict(
        codebook_size=11, d_model=16, n_heads=2, ar_layers=1, nar_layers=1, ffn_size=8
    )
    config = dict(
        tts="uslm", tts_conf=options, odim=4, token_list=LETTERS, token_type="char"
    )
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp/config.yaml").write_text(yaml.safe_dump(config))
    model = tiny.build("release", ar_layers=1, nar_layers=1, ffn_size=8)
    state = {f"tts.{key}": value for key, value in model.state_dict().items()}
    torch.save(state, tmp_path / "exp/valid.loss.best.pth")
    return tmp_path / "exp"


@pytest.fixture
def data(tmp_path):
    """Index files of two good requests and three bad ones."""
    good = tmp_path / "good.wav"
    soundfile.write(good, np.linspace(-0.5, 0.5, 3200), 16000)
    (tmp_path / "text").write_text("u1 abc\nu2 cab ba\nbad1 a\nbad2 b\nbad3 c\n")
    (tmp_path / "bad.wav").write_text("no sound")
    (tmp_path / "wav.scp").write_text(
        f"u1 {good}\nu2 {good}\nbad1 {tmp_path}/none.wav\nbad2 {tmp_path}/bad.wav\n"
        f"bad3 {good}\n"
    )
    (tmp_path / "prompt_text").write_text("u1 ab\nu2 c\nbad1 a\nbad2 a\n")
    return [
        f"--data_path_and_name_and_type={tmp_path}/{name}"
        for name in ("text,text,text", "wav.scp,speech,sound")
    ] + [f"--data_path_and_name_and_type={tmp_path}/prompt_text,prompt_text,text"]


def test_a_text_is_spoken_in_a_voice(exp):
    codec = StandIn()
    tts = Text2Speech.from_pretrained(exp, codec=codec, minlenratio=2.0)
    out = tts("abc", speech=np.zeros(3200), prompt_text="ab", sample_rate=8000)
    assert codec.encoded == [8000]
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
        (dict(text="a", speech=np.zeros(640)), "without prompt_text"),
        (dict(text="a", temperature=-1.0), "temperature is -1.0"),
    ],
)
def test_unusable_calls_are_refused(exp, call, message):
    tts = Text2Speech.from_pretrained(exp, codec=StandIn())
    with pytest.raises(ValueError, match=message):
        tts(**call)


def test_the_codec_is_found_beside_the_config(exp, monkeypatch):
    asked = []
    monkeypatch.setattr(
        tts_inference.AudioCoding,
        "from_pretrained",
        lambda directory, device: asked.append(directory.resolve()) or StandIn(),
    )
    with pytest.raises(ValueError, match="codec.yaml names the codec: pass"):
        Text2Speech.from_pretrained(exp)
    (exp / "codec.yaml").write_text("codec: ../codec_x\n")
    Text2Speech.from_pretrained(exp)
    assert asked == [(exp / "../codec_x").resolve()]


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


@pytest.fixture
def command(exp, data, tmp_path, monkeypatch):
    """Runs the command on the data; gives its output directory."""
    monkeypatch.setattr(
        tts_inference.AudioCoding, "from_pretrained", lambda *_: StandIn()
    )
    config = tmp_path / "decode.yaml"
    config.write_text("minlenratio: 2.0\nmaxlenratio: 4.0\nbatch_size: 3\n")

    def run(*options):
        output = tmp_path / "out"
        main([
            "--uslm", str(exp), "--codec", "any", "--config", str(config),
            "--output_dir", str(output), *data, *options,
        ])  # fmt: skip
        return output

    return run


def test_a_set_is_spoken_and_bad_items_are_named(command, caplog):
    output = command()
    keys = [line.split()[0] for line in open(output / "wav.scp")]
    assert keys == ["u1", "u2"] == sorted(CodesReader(output / "codes.scp"))
    for name, codes in CodesReader(output / "codes.scp").items():
        info = soundfile.info(output / "wav" / f"{name}.wav")
        assert (info.frames, info.samplerate) == (codes.shape[1] * HOP, 16000)
    assert "2 items done, 3 skipped: bad1 bad2 bad3" in caplog.text
    assert "prompt_text" in caplog.text and "bad.wav" in caplog.text


def test_a_set_is_resumed(command):
    output = command()
    first, kept = output / "wav/u1.wav", output / "wav/u2.wav"
    before, content = kept.stat().st_mtime_ns, first.read_bytes()
    first.unlink()
    command()
    assert first.read_bytes() == content
    assert kept.stat().st_mtime_ns == before


def test_options_win_over_the_file(command):
    output = command("--minlenratio", "3.0", "--maxlenratio", "3.0")
    assert CodesReader(output / "codes.scp")["u1"].shape == (4, 9)


def test_wrong_options_are_refused(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("temperatur: 1.0\n")
    with pytest.raises(SystemExit):
        main(["--config", str(tmp_path / "c.yaml"), "--output_dir", "x",
              "--data_path_and_name_and_type", "a,text,text"])  # fmt: skip
    assert "unknown options temperatur" in capsys.readouterr().err
    with pytest.raises(ValueError, match="expected one of FILE,text,text"):
        parse_data(["a,speech,text"])
    with pytest.raises(ValueError, match="no text"):
        parse_data(["a,speech,sound"])


def test_decoding_imports_neither_tasks_nor_g2p_en():
    code = (
        "import sys, espnet_st.bin.tts_inference\n"
        "from espnet_st.bin.text import build_tokenizer\n"
        "build_tokenizer(dict(token_type='phn', g2p=None))\n"
        "heavy = ('espnet2.tasks', 'nltk', 'inflect', 'transformers')\n"
        "sys.exit(str([name for name in sys.modules if name.startswith(heavy)]))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "config, text",
    [
        (dict(token_type="char"), "ab c"),
        (dict(token_type="word"), "ab c ab"),
        (dict(token_type="phn", g2p="espeak_ng_english_us_vits"), "Hello there."),
        (dict(token_type="phn", g2p=None, cleaner="tacotron"), "a b"),
    ],
)
def test_tokens_are_those_of_espnets_preprocessor(config, text):
    from espnet2.train.preprocessor import CommonPreprocessor

    tokens = build_tokenizer(config).text2tokens(text)
    config = config | dict(token_list=["<unk>", *sorted({*tokens, *"AB"})])
    theirs = CommonPreprocessor(
        train=False,
        token_type=config["token_type"],
        token_list=config["token_list"],
        text_cleaner=config.get("cleaner"),
        g2p_type=config.get("g2p"),
    )("utt", dict(text=text))["text"]
    assert TextTokens(config)(text).tolist() == theirs.tolist()


def test_other_tokens_are_refused():
    with pytest.raises(ValueError, match="token_type 'hug'"):
        build_tokenizer(dict(token_type="hug"))
