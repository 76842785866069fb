"""Where models come from: packed zips, hostile ones too, URLs and names on a hub."""

import functools
import http.server
import shutil
import threading
import zipfile

import pytest
import torch
import yaml

from espnet_st.checkpoints import sources as pretrained
from espnet_st.inference.audio_coding import AudioCoding

META = {
    "yaml_files": {"train_config": "exp/config.yaml"},
    "files": {"model_file": "exp/model.pth"},
}


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


def renamed(config="exp/config.yaml", model="exp/model.pth"):
    return yaml.safe_dump(
        {"yaml_files": {"train_config": config}, "files": {"model_file": model}}
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"meta.yaml": None}, "has no meta.yaml"),
        ({"meta.yaml": "files: 3"}, "does not name train_config and model_file"),
        ({"meta.yaml": b"\xff\xfe: ["}, "does not name train_config and model_file"),
        ({"meta.yaml": renamed(model=3)}, "does not name train_config and model_file"),
        ({"exp/model.pth": None}, "has no exp/model.pth"),
        ({"exp/model.pth": b"nonsense"}, "not a readable checkpoint"),
        ({"exp/config.yaml": "codec: dac"}, "codec 'dac'; expected 'speechtokenizer'"),
        (
            {"meta.yaml": renamed("../../up.yaml"), "../../up.yaml": "codec: x"},
            r"names \.\./\.\./up\.yaml, outside",
        ),
        ({"meta.yaml": renamed("/etc/hostname")}, "has no etc/hostname"),
    ],
)
def test_a_wrong_or_hostile_zip_is_refused(zipped, tmp_path, changed, message):
    path = zipped(**changed)
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(ValueError, match=message):
        AudioCoding.from_pretrained(path)
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_link_in_a_zip_is_not_followed(zipped, exp, tmp_path):
    path = zipped(**{"exp/config.yaml": None})
    link = zipfile.ZipInfo("exp/config.yaml")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, str(exp / "config.yaml"))
    with pytest.raises(ValueError, match="holds str; expected a mapping"):
        AudioCoding.from_pretrained(path)


def test_a_zip_that_would_grow_too_large_is_refused(zipped, monkeypatch):
    path = zipped(**{"exp/model.pth": None})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("exp/model.pth", bytes(1_000_000))
    monkeypatch.setattr(pretrained, "MAX_CHECKPOINT", 999_999)
    with pytest.raises(ValueError, match="1000000 bytes; the limit is 999999"):
        AudioCoding.from_pretrained(path)


def test_a_damaged_zip_is_refused(zipped):
    path = zipped()
    data = bytearray(path.read_bytes())
    data[data.index(b"lambda_mel")] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"cannot unpack .*Bad CRC-32"):
        AudioCoding.from_pretrained(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="neither a directory, a configuration nor"):
        AudioCoding.from_pretrained(path)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, so that nothing is in the zoo's cache."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "home"


def test_an_archive_is_fetched_once(zipped, codec, home, tmp_path, monkeypatch):
    import espnet_model_zoo.downloader as zoo

    zipped()

    class Handler(http.server.SimpleHTTPRequestHandler):
        asked = []

        def log_message(self, *_):
            self.asked.append(self.command)

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=tmp_path)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/codec.zip"
        # The zoo's table, with a model of ours.
        table = zoo.pd.DataFrame([{"name": "someone/codec", "url": url}])
        monkeypatch.setattr(zoo.pd, "read_csv", lambda *_, **__: table)
        wav = torch.randn(4000)
        for name in (url, url, "someone/codec"):
            fetched = AudioCoding.from_pretrained(name)
            assert torch.equal(fetched.encode(wav), codec.encode(wav))
        assert Handler.asked.count("GET") == 1
        with pytest.raises(ValueError, match=r"no model of that name.*404"):
            AudioCoding.from_pretrained(url.replace("codec", "nothing"))
    finally:
        server.shutdown()
        server.server_close()


def test_a_name_on_the_hub_is_found_in_its_cache(exp, codec, home, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repository = home / ".cache/espnet_model_zoo/models--someone--codec"
    snapshot = repository / "snapshots" / ("0" * 40)
    (snapshot / "exp").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(snapshot.name)
    (snapshot / "meta.yaml").write_text(yaml.safe_dump(META))
    shutil.copy(exp / "config.yaml", snapshot / "exp")
    # The hub's cache links to files elsewhere.
    (snapshot / "exp/model.pth").symlink_to(next(exp.glob("*.pth")))
    wav = torch.randn(4000)
    found = AudioCoding.from_pretrained("someone/codec")
    assert torch.equal(found.encode(wav), codec.encode(wav))
    with pytest.raises(ValueError, match=r"no directory .* no model of that name"):
        AudioCoding.from_pretrained("someone/other")


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "/a/b", "../a"])
def test_what_cannot_be_a_name_is_not_looked_for(name, home):
    with pytest.raises(ValueError, match="no directory or archive"):
        AudioCoding.from_pretrained(name)
    assert not home.exists()
