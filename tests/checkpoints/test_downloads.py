"""Downloads by URL: once, resumed, checked, refused; from a real server on loopback."""

import hashlib

import pytest
from http_servers import Files, fresh, serving

from espnet_st.checkpoints.archives import cache_directory
from espnet_st.checkpoints.downloads import download

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPNET_ST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    """A handler's class and the address of its one file."""
    handler = fresh(Files, files={"/a/model.zip": CONTENT}, asked=[], stop_after=[])
    with serving(handler) as address:
        handler.address = f"{address}/a/model.zip"
        yield handler


def test_a_file_is_asked_for_once_and_needs_no_server_then():
    handler = fresh(Files, files={"/a/model.zip": CONTENT}, asked=[], stop_after=[])
    with serving(handler) as address:
        url = f"{address}/a/model.zip"
        path = download(url)
        assert path.read_bytes() == CONTENT and path.name == "model.zip"
    assert download(url) == path and download(f"{url}#sha256={SHA256}") == path
    assert handler.asked == [None]
    left = {one.name for one in path.parent.iterdir()}
    assert left == {"model.zip", ".lock"}


@pytest.mark.parametrize("stops", [[1000], [1000, 2000]])
def test_a_connection_that_closes_is_taken_up_where_it_was(server, stops):
    server.stop_after[:] = stops
    assert download(server.address).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", "bytes=3000-"][: len(stops) + 1]


def test_what_stops_again_and_again_is_kept_for_the_next_call(server):
    server.stop_after[:] = [1000, 2000, 3000]
    with pytest.raises(
        ValueError, match=r"stopped after 6000 of 256000 bytes .* again"
    ):
        download(server.address)
    assert download(server.address).read_bytes() == CONTENT
    assert server.asked[3:] == ["bytes=6000-"]


def test_a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one(server):
    server.stop_after[:] = [1000, 0]
    with pytest.raises(ValueError, match="stopped after 1000 of 256000 bytes"):
        download(server.address)
    server.files["/a/model.zip"] = new = CONTENT[::-1]
    assert download(server.address).read_bytes() == new


def test_a_server_that_tells_no_version_gives_all_anew(server):
    server.versions = False
    server.stop_after[:] = [1000, 1000]
    with pytest.raises(ValueError, match="stopped after 1000 of 256000"):
        download(server.address)
    assert download(server.address).read_bytes() == CONTENT
    assert server.asked == [None] * 3


def test_more_than_the_whole_file_is_thrown_away(server):
    server.stop_after[:] = [200_000, 0]
    with pytest.raises(ValueError, match="stopped after 200000"):
        download(server.address)
    next(cache_directory().rglob("*.part")).write_bytes(CONTENT + b"more")
    assert download(server.address).read_bytes() == CONTENT
    assert server.asked[-2:] == ["bytes=256004-", None]


def test_a_wrong_hash_is_refused_and_the_file_removed(server):
    with pytest.raises(ValueError, match=f"SHA-256 {SHA256}; expected {'0' * 64}"):
        download(f"{server.address}#sha256={'0' * 64}")
    assert not list(cache_directory().rglob("model.zip"))
    assert download(f"{server.address}#sha256={SHA256.upper()}").is_file()


@pytest.mark.parametrize("fragment", ["md5=0", "sha256=abc", "top"])
def test_another_fragment_is_refused(server, fragment):
    with pytest.raises(ValueError, match=f"ends in #{fragment}; expected nothing, or"):
        download(f"{server.address}#{fragment}")
    assert not server.asked


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "401 .*HF_TOKEN"),
        (403, "403 .*ask the owner"),
        (404, "404 .*nothing of that name"),
        (429, "429 .*wait some minutes"),
        (500, "500 .*try again later"),
        (503, "503 .*try again later"),
        (418, "418 .*not understood"),
    ],
)
def test_a_refusal_says_what_to_do(server, status, message):
    server.status = status
    with pytest.raises(ValueError, match=f"cannot download .*{message}"):
        download(server.address)


def test_a_server_that_is_not_there_is_named():
    with serving(Files) as address:
        pass
    with pytest.raises(ValueError, match=f"cannot download {address}/x.zip: .*refused"):
        download(f"{address}/x.zip")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/..%2Fup.zip", "_up.zip"),
        ("/", "file"),
        ("/.lock", "lock"),
        ("/a%20b", "a_b"),
    ],
)
def test_a_name_from_the_url_stays_in_the_cache(path, name, server):
    server.files = {path: CONTENT}
    made = download(server.address.removesuffix("/a/model.zip") + path)
    assert made.name == name and cache_directory() in made.parents
