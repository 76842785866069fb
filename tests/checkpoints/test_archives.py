"""Archives from anywhere: unpacked once per content, and hostile ones refused whole."""

import io
import multiprocessing
import os
import stat
import struct
import tarfile
import time
import zipfile

import pytest

from espnet_st.checkpoints import archives
from espnet_st.checkpoints.archives import file_sha256, unpack, unpack_once


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPNET_ST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def archive(tmp_path):
    """Make a zip of members: names or ZipInfos, and contents."""

    def make(*members, name="model.zip", compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", compression) as zipped:
            for member, content in members:
                zipped.writestr(member, content)
        return path

    return make


def special(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.create_system = 3
    return info


def test_an_archive_is_unpacked_once_per_content(archive, cache):
    first = archive(("a/meta.yaml", "x"), ("a/empty/", ""), ("b.bin", bytes(3)))
    made = unpack_once(first)
    assert made == cache / "models" / file_sha256(first)
    assert (made / "a/meta.yaml").read_text() == "x"
    stamp = (made / "b.bin").stat().st_mtime_ns
    copy = first.with_name("copy")
    copy.write_bytes(first.read_bytes())
    assert unpack_once(copy) == made
    assert (made / "b.bin").stat().st_mtime_ns == stamp
    other = unpack_once(archive(("a/meta.yaml", "y"), name="other.zip"))
    assert other != made and (other / "a/meta.yaml").read_text() == "y"
    assert len(list((cache / "models").iterdir())) == 2


def test_what_a_killed_process_left_is_removed_after_a_day(archive, cache):
    for name, age in ((".unpacking-old", 90_000), (".unpacking-new", 0)):
        left = cache / "models" / name / "model"
        left.mkdir(parents=True)
        os.utime(left.parent, (time.time() - age,) * 2)
    made = unpack_once(archive(("a", "1")))
    found = {one.name for one in (cache / "models").iterdir()}
    assert found == {made.name, ".unpacking-new"}


def test_processes_that_unpack_at_once_agree(archive, cache):
    path = archive(*((f"{n}.bin", bytes(50_000)) for n in range(40)))
    with multiprocessing.get_context("fork").Pool(4) as pool:
        made = pool.map(unpack_once, [path] * 8)
    assert len(set(made)) == 1 and len(list(made[0].iterdir())) == 40
    assert list((cache / "models").iterdir()) == [made[0]]


@pytest.mark.parametrize(
    "name",
    ["../up", "a/../../up", "/etc/up", "a/..", "..", "C:up", "a\\up", "", "a\0b"],
)
def test_a_name_that_leads_out_is_refused(archive, cache, name):
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    path = archive(("meta.yaml", "x"), (info, "content"))
    with pytest.raises(ValueError, match="no name of a file below .* nothing was unp"):
        unpack_once(path)
    assert not list((cache / "models").iterdir())


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (stat.S_IFLNK | 0o777, "a/x is a symbolic link; expected plain files"),
        (stat.S_IFIFO | 0o644, "a/x is a named pipe"),
        (stat.S_IFCHR | 0o644, "a/x is a device"),
        (stat.S_IFBLK | 0o644, "a/x is a device"),
        (stat.S_IFSOCK | 0o644, "a/x is a device"),
        (stat.S_IFDIR | 0o755, "a/x is a directory with content"),
    ],
)
def test_what_is_no_plain_file_is_refused(archive, cache, mode, message):
    path = archive(("meta.yaml", "x"), (special("a/x", mode), "/etc/passwd"))
    with pytest.raises(ValueError, match=message):
        unpack_once(path)
    assert not list((cache / "models").iterdir())


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["a/x", "a//x", "./a/x"])
def test_a_name_that_comes_twice_is_refused(archive, again):
    path = archive(("a/x", "1"), (again, "2"))
    with pytest.raises(ValueError, match="has two members"):
        unpack_once(path)


def test_a_file_that_is_a_directory_too_is_refused(archive, cache):
    with pytest.raises(ValueError, match="cannot unpack"):
        unpack_once(archive(("a", "1"), ("a/x", "2")))
    assert not list((cache / "models").iterdir())


def test_an_archive_that_grows_too_much_is_refused(archive, monkeypatch):
    path = archive(("zeros", bytes(3_000_000)))
    monkeypatch.setattr(archives, "FREE_BYTES", 1000)
    with pytest.raises(ValueError, match=r"unpack to 3000000 bytes; the limit for an"):
        unpack_once(path)
    # Of small files as of large ones: their sum counts.
    many = archive(*((f"{n}", bytes(30_000)) for n in range(100)), name="many.zip")
    monkeypatch.setattr(archives, "MAX_RATIO", 10)
    with pytest.raises(ValueError, match="would unpack to 3000000 bytes"):
        unpack_once(many)
    monkeypatch.setattr(archives, "MAX_BYTES", 99)
    with pytest.raises(ValueError, match="its size is 99"):
        unpack_once(path)


def test_too_many_members_are_refused(archive, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    with pytest.raises(ValueError, match="has 4 members; the limit is 3"):
        unpack_once(archive(*((str(n), "") for n in range(4))))


@pytest.mark.parametrize("size", [10, 999_999, 1_000_001, 2_000_000])
def test_a_header_that_lies_about_the_size_is_refused(archive, cache, size):
    path = archive(("zeros", bytes(1_000_000)))
    data = path.read_bytes()
    true, false = struct.pack("<L", 1_000_000), struct.pack("<L", size)
    assert data.count(true) == 2  # before the content, and at the end
    path.write_bytes(data.replace(true, false))
    with pytest.raises(
        ValueError, match=r"cannot unpack .*(Bad CRC-32|its header says)"
    ):
        unpack_once(path)
    assert not list((cache / "models").iterdir())


def test_a_damaged_or_encrypted_archive_is_refused(archive, cache):
    path = archive(("a", b"0123456789"), compression=zipfile.ZIP_STORED)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"01234", b"01334"))
    with pytest.raises(ValueError, match="cannot unpack .*Bad CRC-32"):
        unpack_once(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="cut short has no end: copy or download it"):
        unpack_once(path)
    at = data.index(b"PK\x01\x02") + 8
    path.write_bytes(data[:at] + b"\1" + data[at + 1 :])
    with pytest.raises(ValueError, match="cannot unpack .*encrypted"):
        unpack_once(path)
    assert not list((cache / "models").iterdir())


def test_a_tar_archive_is_refused(tmp_path):
    path = tmp_path / "model.tar"
    with tarfile.open(path, "w") as made:
        link = tarfile.TarInfo("x")
        link.type, link.linkname = tarfile.LNKTYPE, "/etc/passwd"
        made.addfile(link)
        made.addfile(tarfile.TarInfo("meta.yaml"), io.BytesIO())
    with pytest.raises(ValueError, match="is a tar archive; expected a zip"):
        unpack(path, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["model.tar"]


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "page.html").write_text("<html>not found</html>")
    with pytest.raises(ValueError, match="neither a directory, a configuration nor a"):
        unpack(tmp_path / "page.html", tmp_path)
