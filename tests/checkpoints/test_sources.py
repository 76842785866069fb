"""Where models come from: packed zips, directories, URLs and names of a zoo."""

import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from http_servers import Files, fresh, serving

from espnet_st.checkpoints import hub, sources
from espnet_st.checkpoints.archives import cache_directory, file_sha256
from espnet_st.checkpoints.sources import model_files
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.text2speech import Text2Speech

META = {
    "yaml_files": {"train_config": "exp/config.yaml"},
    "files": {"model_file": "exp/model.pth"},
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home and a cache of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ESPNET_ST_CACHE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "home"


@pytest.fixture
def zipped(exp, tmp_path):
    """Makes a zip with the tiny codec; a content of None leaves a member out."""
    model = next(exp.glob("*.pth"))

    def make(**changed):
        contents = {
            "meta.yaml": yaml.safe_dump(META),
            "exp/config.yaml": (exp / "config.yaml").read_bytes(),
            "exp/model.pth": model.read_bytes(),
        } | changed
        path = tmp_path / "codec.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in contents.items():
                if content is not None:
                    archive.writestr(name, content)
        return path

    return make


@pytest.mark.parametrize("inside", [True, False])
def test_what_espnet_packs_is_a_codec(exp, codec, inside, tmp_path, monkeypatch):
    from espnet2.bin.pack import main as pack

    monkeypatch.chdir(exp.parent if inside else tmp_path)
    model = next(exp.glob("*.pth"))
    command = ["codec", "--train_config", str(exp / "config.yaml")]
    command += ["--model_file", str(model), "--outpath", str(tmp_path / "codec.zip")]
    pack(command)
    wav = torch.randn(4000)
    packed = AudioCoding.from_pretrained(tmp_path / "codec.zip")
    assert torch.equal(packed.encode(wav), codec.encode(wav))
    with zipfile.ZipFile(tmp_path / "codec.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    unpacked = AudioCoding.from_pretrained(tmp_path / "unpacked")
    assert torch.equal(unpacked.encode(wav), codec.encode(wav))


def test_a_zip_is_unpacked_once_wherever_it_lies(zipped, home):
    path = zipped()
    AudioCoding.from_pretrained(path)
    made = home / ".cache/espnet_st/models" / file_sha256(path)
    before = (made / "exp/model.pth").stat()
    moved = path.rename(path.with_name("without_suffix"))
    AudioCoding.from_pretrained(moved)
    after = (made / "exp/model.pth").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert list((home / ".cache/espnet_st/models").iterdir()) == [made]


def renamed(config="exp/config.yaml", model="exp/model.pth", task=""):
    return yaml.safe_dump(
        {
            "yaml_files": {f"{task}train_config": config},
            "files": {f"{task}model_file": model},
        }
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"meta.yaml": None}, "codec.zip has no config.yaml, .* or meta.yaml"),
        ({"meta.yaml": "files: 3"}, "does not name train_config and model_file"),
        ({"meta.yaml": b"\xff\xfe: ["}, "does not name train_config and model_file"),
        ({"meta.yaml": "yaml_files: {}\nfiles: {}"}, "does not name train_config and"),
        ({"meta.yaml": renamed(model=3)}, "does not name train_config and model_file"),
        ({"exp/model.pth": None}, "has no exp/model.pth, which its meta.yaml names"),
        ({"exp/model.pth": b"nonsense"}, "not a readable checkpoint"),
        (
            {"exp/config.yaml": "codec: funcodec"},
            "zip is of codec 'funcodec'; expected 'speechtokenizer' or 'hubert",
        ),
        (
            {"exp/config.yaml": "tts: vits"},
            "codec.zip is a TTS model; expected a codec",
        ),
        (
            {"meta.yaml": renamed(task="asr_")},
            "codec.zip is an ASR model; expected a codec",
        ),
        (
            {"meta.yaml": renamed(task="diar_")},
            "is a model of the task diar; expected a codec",
        ),
        ({"exp/config.yaml": "a: 1"}, "codec.zip is no model; expected a codec"),
        ({"meta.yaml": renamed("../up.yaml")}, r"names \.\./up\.yaml, outside"),
        ({"meta.yaml": renamed("/etc/hostname")}, "has no etc/hostname"),
        ({"../up": "x"}, "no name of a file below"),
    ],
)
def test_a_wrong_or_hostile_zip_is_refused(zipped, changed, message):
    with pytest.raises(ValueError, match=message):
        AudioCoding.from_pretrained(zipped(**changed))


def test_a_zip_of_another_task_is_no_uslm(zipped):
    path = zipped(**{"meta.yaml": renamed(task="asr_")})
    with pytest.raises(ValueError, match="zip is an ASR model; expected a TTS model"):
        Text2Speech.from_pretrained(path)
    with pytest.raises(ValueError, match="is a codec; expected a TTS model"):
        Text2Speech.from_pretrained(zipped())


def test_a_pickle_in_a_zip_is_not_run(zipped, tmp_path):
    ran = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return Path.touch, (ran,)

    torch.save({"codec.generator.x": Hostile()}, tmp_path / "hostile.pth")
    content = (tmp_path / "hostile.pth").read_bytes()
    with pytest.raises(ValueError, match="is not a readable checkpoint"):
        AudioCoding.from_pretrained(zipped(**{"exp/model.pth": content}))
    assert not ran.exists()


@pytest.fixture
def server(zipped):
    """Serves the zip of the tiny codec."""
    content = zipped().read_bytes()
    handler = fresh(Files, files={"/codec.zip": content}, asked=[], stop_after=[])
    with serving(handler) as handler.address:
        yield handler


def test_a_url_is_fetched_once_and_needs_no_server_then(zipped, codec, monkeypatch):
    path = zipped()
    handler = fresh(Files, files={"/c.zip": path.read_bytes()}, asked=[], stop_after=[])
    wav = torch.randn(4000)
    with serving(handler) as address:
        url = f"{address}/c.zip#sha256={file_sha256(path)}"
        found = AudioCoding.from_pretrained(url)
        assert torch.equal(found.encode(wav), codec.encode(wav))
    found = AudioCoding.from_pretrained(url)
    assert torch.equal(found.encode(wav), codec.encode(wav))
    assert len(handler.asked) == 1


def test_a_url_of_something_else_is_refused_and_not_kept(server, zipped):
    server.files["/codec.zip"] = b"<html>wait</html>"
    with pytest.raises(ValueError, match="neither a directory, a configuration nor"):
        AudioCoding.from_pretrained(f"{server.address}/codec.zip")
    server.files["/codec.zip"] = zipped().read_bytes()
    AudioCoding.from_pretrained(f"{server.address}/codec.zip")
    with pytest.raises(ValueError, match="cannot download .*404"):
        AudioCoding.from_pretrained(f"{server.address}/nothing.zip")


def test_a_name_in_the_zoo_leads_to_its_newest_archive(
    server, codec, tmp_path, monkeypatch
):
    package = tmp_path / "espnet_model_zoo"
    package.mkdir()
    (package / "__init__.py").touch()
    rows = [
        "name,url",
        f"someone/codec,{server.address}/old.zip",
        f"someone/codec,{server.address}/codec.zip",
        "someone/hub,https://huggingface.co/",
    ]
    (package / "table.csv").write_text("\n".join(rows))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "espnet_model_zoo", raising=False)
    found = AudioCoding.from_pretrained("someone/codec")
    wav = torch.randn(4000)
    assert torch.equal(found.encode(wav), codec.encode(wav))
    assert hub.zoo_url("someone/hub") is None and hub.zoo_url("a/b") is None


def test_the_zoo_that_is_installed_has_a_table():
    assert hub.zoo_url("kamo-naoyuki/mini_an4_asr_train_raw_bpe_valid.acc.best")


def test_the_names_of_packed_files_become_paths(tmp_path):
    (tmp_path / "m").mkdir()
    for name in ("m/bpe.model", "word"):
        (tmp_path / name).touch()
    config = {
        "bpemodel": "m/bpe.model",
        "nested": {"file": "m/bpe.model", "other": "m/none", "number": 3},
        "token_list": ["m/bpe.model", "word"],
        "cleaner": "word",
        "out": "../m/bpe.model",
    }
    found = sources.resolve_packed(config, tmp_path)
    path = str(tmp_path / "m/bpe.model")
    assert found == config | {
        "bpemodel": path,
        "nested": {"file": path, "other": "m/none", "number": 3},
    }
    assert sources.resolve_packed(config, None) == config


def test_a_directory_without_a_model_is_refused(tmp_path, exp):
    with pytest.raises(
        ValueError, match="has no config.yaml, config.json or meta.yaml"
    ):
        model_files(tmp_path)
    shutil.copy(exp / "config.yaml", tmp_path)
    assert model_files(tmp_path).config == tmp_path / "config.yaml"
    assert not cache_directory().exists()


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "/a/b", "../a", "a/b@", "a/b@/c"])
def test_what_cannot_be_a_name_is_not_looked_for(name, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no directory or archive"):
        AudioCoding.from_pretrained(name)
    assert not home.exists()
