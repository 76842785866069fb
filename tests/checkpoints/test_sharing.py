"""Sharing: what would be sent, the card, uploads that stop, and no token anywhere."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from fake_hub import new_hub
from http_servers import serving

from espnet_st.bin.share import main
from espnet_st.checkpoints.card import model_card
from espnet_st.checkpoints.packing import About, pack
from espnet_st.checkpoints.sharing import plan_upload, upload
from espnet_st.inference.audio_coding import AudioCoding

NAME = "someone/codec"
RESULTS = (
    "<!-- made -->\n# RESULTS\n## exp/codec\n\n|Tokens|WER|\n|---|---|\n|RVQ-1|7.5|\n"
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPNET_ST_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def packed(exp, tmp_path):
    (tmp_path / "RESULTS.md").write_text(RESULTS)
    about = About("cc-by-4.0", "tiny noise", "en, de", tmp_path / "RESULTS.md")
    return pack("codec", exp, tmp_path / "codec.zip", about)


@pytest.fixture
def hub(point_to, monkeypatch):
    hub = new_hub(token="hf_verysecret")
    monkeypatch.setenv("HF_TOKEN", hub.token)
    with serving(hub) as hub.address:
        point_to(hub.address)
        yield hub


def share(packed, *options):
    main(["--packed", str(packed), "--repo", NAME, *options])


def test_nothing_is_sent_unless_asked(packed, hub, capsys, caplog):
    with caplog.at_level("INFO"):
        share(packed)
    assert not hub.requests
    said = capsys.readouterr().out
    with zipfile.ZipFile(packed) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    listed = dict(
        (name, int(size.replace(",", "")))
        for size, name in re.findall(r"^ +([\d,]+)  (\S+)", said, re.MULTILINE)
    )
    total = listed.pop("bytes")
    assert listed.keys() == sizes.keys()
    assert all(listed[one] == sizes[one] for one in sizes if one != "README.md")
    assert total == sum(listed.values()) and f"to {NAME}, branch main:" in said
    assert f'from_pretrained("{NAME}")' in said and "|RVQ-1|7.5|" in said
    assert "nothing was sent: --upload true sends it" in caplog.text


def test_an_upload_is_loaded_by_its_name(packed, hub, codec):
    share(packed, "--upload", "true")
    found = AudioCoding.from_pretrained(NAME)
    wav = torch.randn(4000)
    assert torch.equal(found.encode(wav), codec.encode(wav))
    repo = hub.repos[NAME]
    tree = repo["commits"][repo["branches"]["main"]]
    with zipfile.ZipFile(packed) as archive:
        for name in archive.namelist():
            if name != "README.md":
                assert tree[name] == archive.read(name)
    assert f'from_pretrained("{NAME}")' in tree["README.md"].decode()
    assert not repo["private"]
    # Again: nothing changed, nothing is sent.
    commits = len(repo["commits"])
    share(packed, "--upload", "true")
    assert len(repo["commits"]) == commits and hub.asked("PUT", "/lfs/") == 1


def test_espnets_zoo_finds_the_files_of_what_was_uploaded(exp, hub, tmp_path):
    asr = tmp_path / "asr"
    asr.mkdir()
    (asr / "bpe.model").write_bytes(b"pieces")
    config = {
        "frontend_conf": {"codec": str(exp)},
        "bpemodel": str(asr / "bpe.model"),
        "token_list": ["<blank>", "asr_model/model.pth", "exp"],
    }
    (asr / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save({"encoder.weight": torch.ones(3)}, asr / "valid.acc.ave.pth")
    upload(plan_upload(pack("asr", asr, tmp_path / "asr.zip"), "me/asr"), "me/asr")

    from espnet_model_zoo.downloader import ModelDownloader

    found = ModelDownloader(tmp_path / "zoo").download_and_unpack("me/asr@main")
    assert found.keys() == {"asr_train_config", "asr_model_file"}
    config = yaml.safe_load(Path(found["asr_train_config"]).read_text())
    assert AudioCoding(config["frontend_conf"]["codec"]).n_q == 3
    assert Path(config["bpemodel"]).read_bytes() == b"pieces"
    assert config["token_list"][-1] == "exp"
    assert torch.load(found["asr_model_file"], weights_only=True).keys() == {
        "encoder.weight"
    }


def test_a_branch_and_a_private_repository_are_made(packed, hub):
    share(packed, "--upload", "true", "--revision", "v1", "--private", "true")
    assert hub.repos[NAME]["private"]
    assert set(hub.repos[NAME]["branches"]) == {"main", "v1"}
    assert AudioCoding.from_pretrained(f"{NAME}@v1").n_q == 3
    with pytest.raises(ValueError, match="has no config.yaml"):
        AudioCoding.from_pretrained(NAME)


def test_an_upload_that_stops_is_gone_on_with(packed, hub):
    hub.refusals["POST", "/commit/"] = [500] * 99
    with pytest.raises(SystemExit, match="500 .*What got there is not sent again"):
        share(packed, "--upload", "true")
    assert hub.asked("PUT", "/lfs/") == 1
    assert list(hub.repos[NAME]["commits"].values()) == [{".gitattributes": b""}]
    hub.refusals.clear()
    share(packed, "--upload", "true")
    assert hub.asked("PUT", "/lfs/") == 1, "the weights were there already"
    assert AudioCoding.from_pretrained(NAME).n_q == 3


def test_a_connection_that_breaks_while_weights_are_sent(packed, hub):
    hub.stop_after["/lfs/"] = 1000
    try:
        share(packed, "--upload", "true")
    except SystemExit as error:
        assert "was not uploaded" in str(error)
        share(packed, "--upload", "true")
    assert not hub.stop_after and hub.asked("PUT", "/lfs/") == 2
    assert AudioCoding.from_pretrained(NAME).n_q == 3


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "401 .*HF_TOKEN or run `hf auth login`"),
        (403, "403 .*use a token that has it"),
        (404, "404 .*check owner"),
        (429, "429 .*wait some minutes"),
        (500, "500 .*try again later"),
    ],
)
@pytest.mark.parametrize(
    ("method", "where"),
    [
        ("POST", "/repos/create"),
        ("POST", "/preupload/"),
        ("POST", "/objects/batch"),
        ("PUT", "/lfs/"),
        ("POST", "/commit/"),
    ],
)
def test_a_refusal_says_what_to_do(packed, hub, method, where, status, message):
    hub.refusals[method, where] = [status] * 99
    with pytest.raises(ValueError, match=f"{NAME} was not uploaded: .*{message}"):
        upload(plan_upload(packed, NAME), NAME)


def test_a_token_is_neither_printed_nor_written(packed, hub, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    said = []
    # The first is refused; the second works.
    for refused in (True, False):
        hub.refusals["POST", "/commit/"] = [401] * refused
        done = subprocess.run(
            [sys.executable, "-m", "espnet_st.bin.share", "--packed", str(packed)]
            + ["--repo", NAME, "--upload", "true"],
            env=os.environ
            | {
                "HF_ENDPOINT": hub.address,
                "HF_HOME": str(work / "hf"),
                "HF_HUB_DISABLE_XET": "1",
                "HOME": str(work),
                "HF_TOKEN": hub.token,
            },
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
        )
        said.append(done.stdout + done.stderr)
        assert (done.returncode == 0) == (not refused), done.stderr[-2000:]
    assert "error: someone/codec was not uploaded: the server answered 401" in said[0]
    assert "Traceback (most" not in said[0]
    assert f"from_pretrained('{NAME}@" in said[1]
    assert any(
        authorization == f"Bearer {hub.token}" for *_, authorization in hub.requests
    )
    assert hub.token not in "".join(said)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert hub.token.encode() not in path.read_bytes(), path
    for tree in hub.repos[NAME]["commits"].values():
        assert all(hub.token.encode() not in content for content in tree.values())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("codec", "'codec' is no name on a hub: expected owner/model"),
        ("a/b/c", "is no name on a hub"),
        ("a/b@main", "is no name on a hub"),
    ],
)
def test_what_is_no_name_is_refused(packed, name, message):
    with pytest.raises(ValueError, match=message):
        plan_upload(packed, name)


def test_what_pack_did_not_write_is_refused(tmp_path):
    with pytest.raises(ValueError, match="pack the model first"):
        plan_upload(tmp_path / "none.zip", NAME)
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.yaml", "files: {}")
    with pytest.raises(ValueError, match="was not made by espnet_st.bin.pack"):
        plan_upload(path, NAME)


def test_a_place_of_this_machine_is_not_shared(packed, tmp_path, monkeypatch):
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("notes.txt", f"see {tmp_path}/notes")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"notes.txt would carry {tmp_path}, a place"):
        plan_upload(packed, NAME)


def card(kind, **changed):
    meta = {
        "kind": kind,
        "model": {"parameters": 1234567, "frame_rate": 50.0},
        "yaml_files": {"train_config": "x_model/config.yaml"},
        "license": "cc-by-4.0",
        "language": "en",
        "training_data": "LibriSpeech",
        "espnet_st": "0.1.0",
        "espnet": "202611",
        "torch": "2.11",
    }
    return model_card(meta | changed, NAME, changed.get("results", ""))


@pytest.mark.parametrize("kind", ["codec", "uslm", "asr"])
def test_a_card_says_what_a_reader_needs(kind):
    text = card(kind)
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["library_name"] == "espnet" and "espnet" in front["tags"]
    assert front["language"] == ["en"] and front["license"] == "cc-by-4.0"
    assert front["pipeline_tag"] in front["tags"]
    for word in ("LibriSpeech", "1,234,567", "## Use and limits", "register()", NAME):
        assert word in text
    assert "None were measured." in text
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    compile(code, "card", "exec")


def test_a_cards_front_matter_is_yaml_whatever_is_in_it():
    front = card("codec", license="other: 'mine'", language="en,\n- x").split("---\n")[
        1
    ]
    found = yaml.safe_load(front)
    assert found["license"] == "other: 'mine'" and found["language"] == ["en", "- x"]


def test_results_stand_below_the_cards_own_headings():
    text = card("codec", results=RESULTS)
    assert "\n### exp/codec\n" in text and "# RESULTS" not in text
    assert "<!-- made -->" not in text and "|RVQ-1|7.5|" in text
