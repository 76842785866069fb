"""`decode.yaml`: what a model's decoding defaults do, and how they travel with it."""

import zipfile

import pytest
import torch
import yaml
from tiny_uslm import StandIn, save_uslm

from espnet_st.bin import decode_defaults, tts_inference, tts_options
from espnet_st.bin.decode_defaults import write_defaults
from espnet_st.codes import CodesReader
from espnet_st.inference import text2speech
from espnet_st.inference.decode_defaults import read_defaults
from espnet_st.inference.text2speech import Text2Speech
from espnet_st.uslm.decoding.options import DecodingOptions

EXACTLY = {"minlenratio": 3.0, "maxlenratio": 3.0}
"""Text "abc" takes 9 frames."""


@pytest.fixture
def exp(tmp_path):
    return save_uslm(tmp_path / "exp")


def write(directory, options):
    (directory / "decode.yaml").write_text(yaml.safe_dump(options))


def frames(tts, **options):
    return tts("abc", **options)["codes"].shape[1]


@pytest.fixture
def command(exp, tmp_path, monkeypatch):
    """Runs the command on "abc" with options; gives the number of frames."""
    monkeypatch.setattr(
        text2speech.AudioCoding, "from_pretrained", lambda *_: StandIn()
    )
    (tmp_path / "text").write_text("u1 abc\n")
    count = iter(range(100))

    def run(*options, uslm=exp):
        output = tmp_path / f"out{next(count)}"
        tts_inference.main([
            "--uslm", str(uslm), "--codec", "any", "--output_dir", str(output),
            "--data_path_and_name_and_type", f"{tmp_path}/text,text,text", *options,
        ])  # fmt: skip
        return CodesReader(output / "codes.scp")["u1"].shape[1]

    return run


def test_every_option_but_the_seeds_can_be_a_default():
    assert {*tts_options.DEFAULTS, "seeds"} == set(vars(DecodingOptions()))
    assert DecodingOptions(**tts_options.DEFAULTS) == DecodingOptions()


def test_the_class_takes_the_models_defaults_and_explicit_options_win(exp):
    write(exp, EXACTLY)
    tts = Text2Speech.from_pretrained(exp, codec=StandIn())
    assert frames(tts) == 9
    assert tts.options == tts_options.DEFAULTS | EXACTLY
    longer = Text2Speech.from_pretrained(exp, codec=StandIn(), maxlenratio=4.0,
                                         minlenratio=4.0)  # fmt: skip
    assert frames(longer) == 12
    assert frames(longer, minlenratio=2.0, maxlenratio=2.0) == 6
    assert frames(longer, decode_conf=dict(minlenratio=1.0, maxlenratio=1.0)) == 3
    assert frames(longer) == 12


def test_the_command_takes_them_below_its_file_and_its_options(command, exp, tmp_path):
    write(exp, EXACTLY | {"temperature": 0})
    assert command() == 9
    config = tmp_path / "decode_config.yaml"
    config.write_text("minlenratio: 4.0\nmaxlenratio: 4.0\nbatch_size: 2\n")
    assert command("--config", str(config)) == 12
    options = ["--minlenratio", "2", "--maxlenratio", "2"]
    assert command("--config", str(config), *options) == 6
    assert command(*options) == 6


def test_the_command_logs_what_it_uses_once(command, exp, caplog):
    caplog.set_level("INFO")
    write(exp, EXACTLY)
    command("--top_p", "0.5")
    printed = [text for text in caplog.messages if text.startswith("decoding with")]
    used = tts_options.DEFAULTS | EXACTLY | {"top_p": 0.5}
    assert printed == [f"decoding with {used}, of which were given: ['top_p']"]


def test_without_the_file_the_built_in_defaults_rule(exp):
    assert read_defaults(exp) == {}
    tts = Text2Speech.from_pretrained(exp, codec=StandIn())
    assert tts.options == tts_options.DEFAULTS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("temperatur: 1.0", "unknown option temperatur; expected temperature, top_k"),
        ("batch_size: 4", "unknown option batch_size"),
        ("seeds: [1]", "unknown option seeds"),
        ("temperature: hot", "temperature is of type str; expected float"),
        ("temperature: null", "temperature is of type NoneType; expected float"),
        ("nbest: 4.0", "nbest is of type float; expected int"),
        ("nbest: true", "nbest is of type bool; expected int"),
        ("ar_prompt: 0", "ar_prompt is of type int; expected bool"),
        ("top_p: 2.0", "top_p is 2.0: give a number above 0"),
        ("- top_p", "holds list; expected a mapping"),
        ("top_p: [", "is not readable YAML"),
        ("", "holds NoneType; expected a mapping"),
    ],
)
def test_a_wrong_file_is_refused_by_name(exp, text, message):
    (exp / "decode.yaml").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        Text2Speech.from_pretrained(exp, codec=StandIn())
    assert str(exp / "decode.yaml") in str(error.value)


def test_help_tells_whose_defaults_rule(capsys):
    with pytest.raises(SystemExit):
        tts_options.parse_options(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    expected = "--nbest NBEST candidates for each text, the best is kept (default: the"
    assert f"{expected} model's own (decode.yaml beside it), else 1)" in printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nbest: two", "nbest is of type str; expected int"),
        ("nbests: 2", "unknown options nbests"),
        ("nbest: 0", "nbest is 0: give 1 or more"),
        ("nbest: [", "is not readable YAML"),
    ],
)
def test_a_wrong_config_is_refused_by_the_command(tmp_path, capsys, text, message):
    (tmp_path / "c.yaml").write_text(text)
    common = ["--config", str(tmp_path / "c.yaml"), "--output_dir", str(tmp_path / "o")]
    for run, options in (
        (decode_defaults.main, []),
        (tts_inference.main, ["--data_path_and_name_and_type", "a,text,text"]),
    ):
        with pytest.raises(SystemExit):
            run([*common, *options])
        assert f"{tmp_path}/c.yaml" in (printed := capsys.readouterr().err)
        assert message in printed
    assert not (tmp_path / "o").exists()


def test_a_configuration_becomes_the_defaults_without_the_jobs_options(tmp_path):
    config = tmp_path / "decode_config.yaml"
    config.write_text("batch_size: 16\nseed: 3\nnbest: 4\nar_prompt: false\n")
    decode_defaults.main(["--config", str(config), "--output_dir", f"{tmp_path}/new"])
    assert read_defaults(tmp_path / "new") == {"nbest": 4, "ar_prompt": False}
    config.write_text("seed: 3\n")
    write_defaults(config, tmp_path / "new")
    assert read_defaults(tmp_path / "new") == {}


@pytest.mark.parametrize("inside", [True, False])
def test_they_travel_in_what_espnet_packs(exp, command, inside, tmp_path, monkeypatch):
    from espnet2.bin.pack import main as pack

    write(exp, EXACTLY)
    monkeypatch.chdir(exp if inside else tmp_path.parent)
    where = "" if inside else f"{exp}/"
    pack([
        "tts", "--train_config", f"{where}config.yaml",
        "--model_file", f"{where}valid.loss.best.pth",
        "--option", f"{where}decode.yaml", "--outpath", f"{tmp_path}/uslm.zip",
    ])  # fmt: skip
    exp.rename(tmp_path / "gone")
    tts = Text2Speech.from_pretrained(tmp_path / "uslm.zip", codec=StandIn())
    assert frames(tts) == 9 and frames(tts, minlenratio=2.0, maxlenratio=2.0) == 6
    assert command(uslm=tmp_path / "uslm.zip") == 9
    with zipfile.ZipFile(tmp_path / "uslm.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    unpacked = Text2Speech.from_pretrained(tmp_path / "unpacked", codec=StandIn())
    assert frames(unpacked) == 9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("temperatur: 1.0", r"decode\.yaml: unknown option temperatur"),
        ("#" * (2**24 + 1), "has 16777217 bytes; the limit is 16777216"),
        ("&a [" + "*a, " * 9 + "]", "decode.yaml"),
    ],
)
def test_a_hostile_file_of_a_zip_is_refused(exp, tmp_path, content, message):
    meta = dict(
        yaml_files=dict(train_config="exp/config.yaml"),
        files=dict(model_file="exp/model.pth"),
    )
    with zipfile.ZipFile(tmp_path / "uslm.zip", "w") as archive:
        archive.writestr("meta.yaml", yaml.safe_dump(meta))
        archive.write(exp / "config.yaml", "exp/config.yaml")
        archive.write(exp / "valid.loss.best.pth", "exp/model.pth")
        archive.writestr("exp/decode.yaml", content)
        archive.writestr("decode.yaml", "nbest: 0")  # not beside the configuration
    with pytest.raises(ValueError, match=message):
        Text2Speech.from_pretrained(tmp_path / "uslm.zip", codec=StandIn())


def test_what_comes_back_can_be_changed_and_trained_on(exp):
    out = Text2Speech.from_pretrained(exp, codec=StandIn())("abc", **EXACTLY)
    assert not out["codes"].is_inference() and not out["wav"].is_inference()
    torch.nn.Embedding(11, 2)(out["codes"]).sum().backward()
    out["codes"].fill_(0)
