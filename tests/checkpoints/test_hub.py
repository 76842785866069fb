"""Models of a hub: revisions, offline, resumed, refused; from its API on loopback."""

import huggingface_hub.constants
import pytest
import torch
import yaml
from fake_hub import new_hub
from http_servers import serving

from espnet_st.checkpoints import remedies
from espnet_st.checkpoints.hub import download_snapshot, explain
from espnet_st.inference.audio_coding import AudioCoding

META = {
    "yaml_files": {"train_config": "codec_model/config.yaml"},
    "files": {"model_file": "codec_model/model.pth"},
}


@pytest.fixture
def files(exp):
    """What a repository of the tiny codec has."""
    return {
        "meta.yaml": yaml.safe_dump(META).encode(),
        "README.md": b"# A codec\n",
        "codec_model/config.yaml": (exp / "config.yaml").read_bytes(),
        "codec_model/model.pth": next(exp.glob("*.pth")).read_bytes(),
    }


@pytest.fixture
def hub(point_to):
    hub = new_hub()
    with serving(hub) as address:
        point_to(address)
        yield hub


def test_a_name_is_loaded_once_and_needs_no_hub_then(files, codec, point_to):
    hub = new_hub()
    hub.add("someone/codec", files)
    wav = torch.randn(4000)
    with serving(hub) as address:
        point_to(address)
        found = AudioCoding.from_pretrained("someone/codec")
        assert torch.equal(found.encode(wav), codec.encode(wav))
        fetched = hub.asked("GET", "/resolve/")
        AudioCoding.from_pretrained("someone/codec")
        assert hub.asked("GET", "/resolve/") == fetched == len(files)
    found = AudioCoding.from_pretrained("someone/codec")
    assert torch.equal(found.encode(wav), codec.encode(wav))


def test_offline_finds_what_was_fetched_and_nothing_else(files, hub, monkeypatch):
    hub.add("someone/codec", files)
    download_snapshot("someone/codec")
    asked = len(hub.requests)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert AudioCoding.from_pretrained("someone/codec").n_q == 3
    with pytest.raises(ValueError, match="no model someone/other .*HF_HUB_OFFLINE"):
        AudioCoding.from_pretrained("someone/other")
    assert len(hub.requests) == asked


def test_a_revision_is_a_branch_or_a_commit(files, hub):
    first = hub.add("someone/codec", files)
    second = hub.add("someone/codec", files | {"README.md": b"two"}, "next/try")
    for revision, text in (("next/try", b"two"), (first, b"# A codec\n")):
        found = download_snapshot(f"someone/codec@{revision}")
        assert (found / "README.md").read_bytes() == text
        assert found.name in (first, second)
    with pytest.raises(ValueError, match="404 .*check owner, model, revision"):
        AudioCoding.from_pretrained("someone/codec@none")


def test_a_download_that_stops_is_kept_and_gone_on_with(files, hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.add("someone/codec", files)
    size = len(files["codec_model/model.pth"])
    hub.stop_after["model.pth"] = size // 2
    try:
        found = download_snapshot("someone/codec")
    except ValueError as error:
        assert "no model someone/codec could be had" in str(error)
        found = download_snapshot("someone/codec")
    content = (found / "codec_model/model.pth").read_bytes()
    assert content == files["codec_model/model.pth"]
    assert [size // 2 - 1000 < start <= size // 2 for start in hub.ranges] == [True]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "401 .*HF_TOKEN or run `hf auth login`"),
        (403, "403 .*ask the owner for access"),
        (404, "404 .*check owner, model"),
        (429, "429 .*wait some minutes"),
        (500, "500 .*try again later"),
    ],
)
@pytest.mark.parametrize("where", ["/api/models", "/resolve/"])
def test_a_refusal_says_what_to_do(files, hub, status, message, where):
    hub.add("someone/codec", files)
    for method in ("GET", "HEAD"):
        hub.refusals[method, where] = [status] * 99
    with pytest.raises(ValueError, match=f"no model someone/codec could .*{message}"):
        AudioCoding.from_pretrained("someone/codec")


def test_a_model_that_is_not_there_or_private_is_refused(files, hub, monkeypatch):
    hub.add("someone/private", files, private=True)
    for name in ("someone/private", "someone/none"):
        with pytest.raises(ValueError, match="401 .*a hub also says so of a model"):
            AudioCoding.from_pretrained(name)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert AudioCoding.from_pretrained("someone/private").n_q == 3


def test_a_hub_that_is_not_there_is_refused(point_to):
    with serving(new_hub()) as address:
        pass
    point_to(address)
    with pytest.raises(ValueError, match="no model someone/codec could be had: .*ref"):
        AudioCoding.from_pretrained("someone/codec")


def test_every_status_and_error_has_a_line():
    assert "418" in remedies.refusal(418) and "599 (unknown)" in remedies.refusal(599)
    assert explain(OSError("no\nspace")) == "OSError: no space"
