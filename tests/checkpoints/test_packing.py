"""Packing: what is in a zip, that nothing of the machine is, and the same bytes."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny import CODEC, save_experiment
from tiny_uslm import save_uslm

from espnet_st.checkpoints import packing
from espnet_st.checkpoints.archives import file_sha256, unpack_once
from espnet_st.checkpoints.model_writer import copy_tensors
from espnet_st.checkpoints.packing import About, pack
from espnet_st.checkpoints.scrubbing import check_bytes, places
from espnet_st.codec.generator import Generator
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.text2speech import Text2Speech

MACHINE = {
    "output_dir": "{}/exp/model",
    "config": "{}/conf/train.yaml",
    "train_shape_file": ["{}/exp/stats/train/shape"],
    "valid_data_path_and_name_and_type": [["{}/dump/dev/wav.scp", "audio", "sound"]],
    "init_param": ["{}/old/model.pth:codec:codec"],
    "dist_init_method": "file://{}/.dist_init",
    "dist_master_addr": "node17",
    "version": "202611",
    "init": None,
    "optim_conf": {"lr": 0.1},
}
"""What ESPnet leaves of the machine in a config.yaml, {} being the directory."""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPNET_ST_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def of_machine(directory):
    """The options above, with a directory."""
    return yaml.safe_load(yaml.safe_dump(MACHINE).replace("{}", str(directory)))


def change(exp, **options):
    config = yaml.safe_load((exp / "config.yaml").read_text())
    config |= options
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    return config


@pytest.fixture
def recipe(tmp_path):
    """A recipe's directory with exp/codec and exp/uslm, which speak 4 x 11 codes."""
    work = tmp_path / "home/user/recipe"
    codec, uslm = work / "exp/codec", work / "exp/uslm"
    codec.mkdir(parents=True)
    torch.manual_seed(0)
    conf = CODEC | {"quantizer_conf": {"n_q": 4, "codebook_size": 11}}
    generator = Generator(**conf).train()
    generator.quantizer(generator.encoder(torch.randn(4, 1, 8000)))
    teacher = {"name": f"{work}/exp/teacher", "units_file": f"{work}/exp/units.npy"}
    save_experiment(codec, generator, conf | {"teacher_conf": teacher})
    state = torch.load(codec / "latest.pth", weights_only=True)
    state["codec.discriminator.weight"] = torch.zeros(3)
    torch.save(state, codec / "latest.pth")
    change(codec, **of_machine(work))
    books = work / "dump/codebooks.npy"
    books.parent.mkdir()
    np.save(books, generator.codebooks().detach().numpy())
    save_uslm(uslm, codebooks=str(books))
    change(uslm, **of_machine(work))
    (uslm / "codec.yaml").write_text("codec: ../codec\n")
    (uslm / "decode.yaml").write_text("temperature: 0.5\nmaxlenratio: 2.0\n")
    (work / "RESULTS.md").write_text(
        f"<!-- made -->\n# RESULTS\n## {work}/exp/codec\n\n|WER|\n|---|\n|7.5|\n"
    )
    return work


def members(archive):
    with zipfile.ZipFile(archive) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def test_a_packed_codec_has_the_same_codes(recipe, tmp_path):
    about = About("apache-2.0", "my corpus", "de, en", recipe / "RESULTS.md")
    made = pack("codec", recipe / "exp/codec", tmp_path / "out/codec.zip", about)
    content = members(made)
    assert list(content) == [
        "meta.yaml",
        "README.md",
        "RESULTS.md",
        "codec_model/config.yaml",
        "codec_model/model.pth",
    ]
    meta = yaml.safe_load(content["meta.yaml"])
    assert meta["yaml_files"] == {"train_config": "codec_model/config.yaml"}
    assert meta["files"] == {"model_file": "codec_model/model.pth"}
    assert meta["license"] == "apache-2.0" and meta["training_data"] == "my corpus"
    assert {"espnet", "espnet_st", "torch", "python"} <= meta.keys()
    assert meta["model"]["n_q"] == 4 and meta["model"]["frame_rate"] == 50
    ours, packed = (
        AudioCoding.from_pretrained(source) for source in (recipe / "exp/codec", made)
    )
    wav = torch.randn(4000)
    assert torch.equal(ours.encode(wav), packed.encode(wav))
    config = yaml.safe_load(content["codec_model/config.yaml"])
    assert config["codec_conf"]["teacher_conf"] == {
        "name": "teacher",
        "units_file": "units.npy",
    }
    assert config["optim_conf"] == {"lr": 0.1}, "how it was trained stays"


@pytest.mark.parametrize("kind", ["codec", "uslm"])
def test_nothing_of_the_machine_is_in_an_archive(recipe, kind, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(recipe.parent))
    about = About(results=recipe / "RESULTS.md")
    made = pack(kind, recipe / "exp" / kind, tmp_path / f"{kind}.zip", about)
    whole = made.read_bytes()  # members are stored, not compressed
    content = members(made)
    assert content[f"{kind}_model/model.pth"] in whole
    for place in {*recipe.parents, recipe, Path.home(), tmp_path, Path.cwd()}:
        if len(place.parts) > 1 + 1:
            assert str(place).encode() not in whole, place
    for word in (b"node17", b"wav.scp", b"/home", b".dist_init", b"discriminator.w"):
        assert word not in whole, word
    assert b"## " in content["RESULTS.md"] and b"codec\n" in content["RESULTS.md"]
    assert b"7.5" in content["README.md"]


def test_a_packed_uslm_speaks_without_the_recipe(recipe, tmp_path):
    made = pack("uslm", recipe / "exp/uslm", tmp_path / "uslm.zip")
    ours = Text2Speech.from_pretrained(recipe / "exp/uslm")
    said = ours("a b c")["codes"]
    shutil.rmtree(recipe)
    found = Text2Speech.from_pretrained(made)
    assert found.options["temperature"] == 0.5
    assert torch.equal(found("a b c")["codes"], said)
    # The unpacked files work wherever they are.
    moved = unpack_once(made).rename(tmp_path / "elsewhere")
    assert torch.equal(Text2Speech.from_pretrained(moved)("a b c")["codes"], said)


def test_the_same_model_gives_the_same_bytes(recipe, tmp_path):
    copy = tmp_path / "other/place/recipe2"
    shutil.copytree(recipe, copy)
    config = copy / "exp/uslm/config.yaml"
    config.write_text(config.read_text().replace(str(recipe), str(copy)))
    first = pack("uslm", recipe / "exp/uslm", tmp_path / "x/uslm.zip")
    second = pack("uslm", copy / "exp/uslm", tmp_path / "y/z/uslm.zip")
    assert file_sha256(first) == file_sha256(second)
    # And what was packed can be packed again.
    third = pack("uslm", first, tmp_path / "w/uslm.zip")
    assert members(third).keys() == members(first).keys()
    one, other = (members(path)["uslm_model/config.yaml"] for path in (first, third))
    assert one == other


def test_half_precision_halves_the_size(recipe, tmp_path):
    whole = pack("codec", recipe / "exp/codec", tmp_path / "a.zip")
    half = pack("codec", recipe / "exp/codec", tmp_path / "b.zip", weights="float16")
    assert half.stat().st_size < 0.75 * whole.stat().st_size
    state = torch.load(unpack_once(half) / "codec_model/model.pth", weights_only=True)
    floats = [value for value in state.values() if value.is_floating_point()]
    assert floats and all(value.dtype == torch.float16 for value in floats)
    assert AudioCoding.from_pretrained(half).codebooks.dtype == torch.float32


def test_tensors_that_are_one_stay_one(tmp_path):
    shared = torch.randn(1000)
    view = torch.randn(100_000)[5:10]
    state = {"a": shared, "b": shared, "c": view, "n": torch.tensor(3)}
    for dtype in (None, torch.float16):
        made = copy_tensors(state, dtype)
        assert made["a"].data_ptr() == made["b"].data_ptr() != shared.data_ptr()
        assert made["c"].untyped_storage().nbytes() <= 20 and made["n"] == 3
        assert made["n"].dtype == torch.int64


def test_half_precision_is_refused_where_it_cannot_hold_a_value():
    state = {"a": torch.ones(2), "b": torch.tensor([1.0, 1e6])}
    assert copy_tensors(state, None)["b"][1] == 1e6
    with pytest.raises(ValueError, match="b has values too large for torch.float16"):
        copy_tensors(state, torch.float16)


def test_empty_tensors_keep_their_types():
    state = {"a": torch.zeros(0), "b": torch.zeros(0, dtype=torch.long)}
    made = copy_tensors(state, torch.float16)
    assert (made["a"].dtype, made["b"].dtype) == (torch.float16, torch.long)


@pytest.fixture
def asr(recipe):
    """An ASR model's experiment with a frozen codec and files; it was not trained."""
    exp = recipe / "exp/asr"
    exp.mkdir()
    for name in ("bpe.model", "feats_stats.npz"):
        (recipe / name).write_bytes(name.encode())
    config = of_machine(recipe) | {
        "frontend": "speechtokenizer",
        "frontend_conf": {"codec": str(recipe / "exp/codec"), "layers": "1-3"},
        "bpemodel": str(recipe / "bpe.model"),
        "token_list": ["<blank>", "/", "/usr/lib/x", "<sos/eos>"],
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": str(recipe / "feats_stats.npz")},
        "encoder": "transformer",
    }
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save({"encoder.weight": torch.ones(3)}, exp / "valid.acc.ave.pth")
    return exp


def test_an_asr_model_is_packed_with_its_codec_and_files(asr, recipe, tmp_path):
    made = pack("asr", asr, tmp_path / "asr.zip")
    content = members(made)
    config = yaml.safe_load(content["asr_model/config.yaml"])
    assert config["frontend_conf"]["codec"] == "asr_model/codec/config.yaml"
    assert config["bpemodel"] == "asr_model/bpemodel.model"
    assert content["asr_model/bpemodel.model"] == b"bpe.model"
    stats = config["normalize_conf"]["stats_file"]
    assert content[stats] == b"feats_stats.npz"
    assert config["token_list"][2] == "/usr/lib/x", "a token is no path"
    meta = yaml.safe_load(content["meta.yaml"])
    assert meta["yaml_files"] == {"asr_train_config": "asr_model/config.yaml"}
    assert meta["model"]["n_q"] == 4 and meta["model"]["parameters"] == 3
    assert str(recipe).encode() not in made.read_bytes()
    packed = AudioCoding(unpack_once(made) / "asr_model/codec/config.yaml")
    assert packed.n_q == 4


@pytest.mark.parametrize(
    ("kind", "source", "options", "message"),
    [
        ("codec", "exp/uslm", {}, "exp/uslm is a TTS model; expected a codec"),
        ("uslm", "exp/codec", {}, "exp/codec is a codec; expected a TTS model"),
        ("asr", "exp/uslm", {}, "is of the task tts; expected an ASR model"),
        ("codec", "exp", {}, "exp has no config.yaml"),
        (
            "codec",
            "exp/codec",
            {"weights": "int4"},
            "'int4'; expected float32 or",
        ),
        ("codec", "exp/codec", {"about": About(results=Path("no.md"))}, "no no.md"),
        (
            "codec",
            "exp/codec",
            {"about": About(license_file=Path("no"))},
            "no no: name a file",
        ),
        ("codec", "exp/codec", {"model_file": Path("no.pth")}, "no checkpoint no.pth"),
        ("uslm", "exp/uslm", {"codec": "exp/uslm"}, "is a TTS model; expected a codec"),
    ],
)
def test_what_cannot_be_packed_is_refused(
    recipe, monkeypatch, kind, source, options, message
):
    monkeypatch.chdir(recipe)
    with pytest.raises(ValueError, match=message):
        pack(kind, source, Path("out/x.zip"), **options)
    assert not Path("out").exists() or not list(Path("out").iterdir())


def test_a_checkpoint_of_another_model_is_refused(recipe, tmp_path):
    exp = recipe / "exp/codec"
    state = torch.load(exp / "latest.pth", weights_only=True)
    key = next(key for key in state if key.startswith("codec.generator."))
    torch.save({k: v for k, v in state.items() if k != key}, exp / "latest.pth")
    with pytest.raises(ValueError, match=f"does not fit the model, .*missing {key}"):
        pack("codec", exp, tmp_path / "x.zip")
    with pytest.raises(ValueError, match="does not fit the model"):
        pack("uslm", recipe / "exp/uslm", tmp_path / "x.zip")


def test_a_codec_of_other_codes_is_refused(recipe, exp, tmp_path):
    with pytest.raises(ValueError, match="4 layers of 11 codes, the codec 3 of 8"):
        pack("uslm", recipe / "exp/uslm", tmp_path / "x.zip", codec=exp)


def test_a_uslm_whose_codec_is_not_named_needs_one(recipe, tmp_path):
    (recipe / "exp/uslm/codec.yaml").unlink()
    with pytest.raises(ValueError, match="codec.yaml names the codec: pass codec"):
        pack("uslm", recipe / "exp/uslm", tmp_path / "x.zip")
    pack("uslm", recipe / "exp/uslm", tmp_path / "x.zip", codec=recipe / "exp/codec")


def test_a_uslm_that_was_trained_on_waveforms_takes_their_codec(recipe, tmp_path):
    exp = recipe / "exp/uslm"
    (exp / "codec.yaml").unlink()
    features = {"codec": str(recipe / "exp/codec")}
    change(exp, odim=None, feats_extract="speechtokenizer", feats_extract_conf=features)
    made = pack("uslm", exp, tmp_path / "x.zip")
    config = yaml.safe_load(members(made)["uslm_model/config.yaml"])
    assert config["feats_extract_conf"] == {"codec": "uslm_model/codec/config.yaml"}
    assert Text2Speech.from_pretrained(made)("a b c")["codes"].shape[0] == 4


def test_an_unknown_path_in_a_configuration_is_refused(recipe, tmp_path):
    change(recipe / "exp/codec", model_conf={"lexicon": "/data/user/lexicon.txt"})
    with pytest.raises(ValueError, match="model_conf.lexicon is '/data/user/lexicon.t"):
        pack("codec", recipe / "exp/codec", tmp_path / "x.zip")


def test_a_file_that_is_gone_is_named(recipe, asr, tmp_path):
    (recipe / "bpe.model").unlink()
    with pytest.raises(ValueError, match="bpemodel is .*bpe.model, which is not here"):
        pack("asr", asr, tmp_path / "x.zip")


def test_a_place_in_a_packed_files_bytes_is_refused(recipe, asr, tmp_path):
    (recipe / "bpe.model").write_bytes(b"\0" * 9 + f"{recipe}/dump/text".encode())
    with pytest.raises(ValueError, match="bpemodel.model would carry .*recipe, a"):
        pack("asr", asr, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_what_is_there_is_not_overwritten_unless_asked(recipe, tmp_path):
    output = tmp_path / "codec.zip"
    output.write_text("mine")
    with pytest.raises(ValueError, match=r"codec.zip is there already: say"):
        pack("codec", recipe / "exp/codec", output)
    assert output.read_text() == "mine"
    with pytest.raises(ValueError, match=r"expected a name that ends in \.zip"):
        pack("codec", recipe / "exp/codec", tmp_path / "codec.tar")
    pack("codec", recipe / "exp/codec", output, overwrite=True)
    assert AudioCoding.from_pretrained(output).n_q == 4


def test_a_pack_that_fails_leaves_what_was_there(recipe, tmp_path, monkeypatch):
    output = tmp_path / "out/codec.zip"
    pack("codec", recipe / "exp/codec", output)
    before = output.read_bytes()

    def no_room(directory, archive):
        archive.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(packing, "write_zip", no_room)
    with pytest.raises(OSError, match="no space left"):
        pack("codec", recipe / "exp/codec", output, overwrite=True)
    assert output.read_bytes() == before
    assert [one.name for one in output.parent.iterdir()] == ["codec.zip"]


def test_a_licence_is_carried(recipe, tmp_path):
    (tmp_path / "mine.txt").write_text("You may.")
    about = About("other", license_file=tmp_path / "mine.txt")
    content = members(pack("codec", recipe / "exp/codec", tmp_path / "x.zip", about))
    assert content["LICENSE"] == b"You may."


def test_an_official_release_is_to_be_converted_first(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="is an official release: make an experiment"):
        pack("codec", tmp_path, tmp_path / "x.zip")


def test_options_of_the_task_fill_a_short_configuration(exp, tmp_path):
    asked = []

    def defaults(task):
        asked.append(task)
        return {"init": None, "seed": 7, "codec": "dac"}

    made = pack("codec", exp, tmp_path / "x.zip", defaults=defaults)
    config = yaml.safe_load(members(made)["codec_model/config.yaml"])
    assert (config["codec"], config["seed"]) == ("speechtokenizer", 7)
    pack("codec", made, tmp_path / "y.zip", defaults=defaults)
    assert asked == ["codec"], "the second time nothing was missing"


def test_places_are_found_across_blocks(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(bytes(4090) + b"/place/of/mine/file" + bytes(99))
    with pytest.raises(ValueError, match="x would carry /place/of/mine"):
        check_bytes(file, "x", ["/place/of/mine"])
    check_bytes(file, "x", ["/place/of/others"])
    file.write_bytes(b"")
    check_bytes(file, "x", ["/place"])
    assert "/" not in places(Path("/")) and str(Path.home()) in places()


def test_the_command_says_in_a_line_what_is_wrong(tmp_path, capsys):
    from espnet_st.bin.pack import main

    command = ["codec", "--model", str(tmp_path), "--license", "cc0-1.0"]
    with pytest.raises(SystemExit, match="^error: .* has no config.yaml"):
        main([*command, "--output", str(tmp_path / "x.zip")])
