"""Unpacking packed zips, once per content; what an archive may hold, and how much.

`pack` of ESPnet and of this plugin writes these zips. They come from anywhere, so
nothing in one is trusted: names stay below the directory, there are only plain files,
and what they unpack to is bounded.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath

MAX_MEMBERS = 10_000
"""Files of an archive."""

MAX_BYTES = 2**35
"""Bytes that an archive may unpack to."""

MAX_RATIO = 100
"""How many times its own size it may unpack to, beyond `FREE_BYTES`."""

FREE_BYTES = 2**24
"""Bytes that any archive may unpack to: tables of zeros compress very well."""

BLOCK = 2**20

UNPACKING = ".unpacking-"
"""How directories begin in which an archive is being unpacked."""


def cache_directory() -> Path:
    """Give the directory of what was downloaded and unpacked.

    It is what the environment variable ESPNET_ST_CACHE says, else
    `~/.cache/espnet_st`; all of it can be removed at any time.
    """
    named = os.environ.get("ESPNET_ST_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "espnet_st"


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def unpack_once(archive: Path) -> Path:
    """Unpack an archive into the cache, unless one of the same content is there.

    Args:
        archive: A zip.

    Returns:
        The directory in the cache, named by the archive's SHA-256.

    Raises:
        ValueError: If it is damaged, or holds what `check_members` refuses.
    """
    models = cache_directory() / "models"
    directory = models / file_sha256(archive)
    if directory.is_dir():
        return directory
    models.mkdir(parents=True, exist_ok=True)
    for old in models.glob(f"{UNPACKING}*"):
        if time.time() - old.stat().st_mtime > 24 * 3600:
            shutil.rmtree(old, ignore_errors=True)  # of a process that was killed
    with tempfile.TemporaryDirectory(dir=models, prefix=UNPACKING) as work:
        made = Path(work) / "model"
        made.mkdir()
        unpack(archive, made)
        try:
            made.rename(directory)
        except OSError:
            # Another process was faster; what it made has the same content.
            if not directory.is_dir():
                raise
    return directory


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a zip.

    Args:
        archive: The zip.
        directory: Where to; it is there, and empty.

    Raises:
        ValueError: If it is damaged, or holds what `check_members` refuses.
    """
    if not zipfile.is_zipfile(archive):
        if tarfile.is_tarfile(archive):
            raise ValueError(
                f"{archive} is a tar archive; expected a zip: pack the model as one"
            )
        raise ValueError(
            f"{archive} is neither a directory, a configuration nor a packed zip; a "
            "zip that is cut short has no end: copy or download it again"
        )
    try:
        with zipfile.ZipFile(archive) as members:
            check_members(members, archive)
            for info in members.infolist():
                if not info.is_dir():
                    _extract(members, info, directory / info.filename)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,
    ) as error:
        raise ValueError(f"cannot unpack {archive}: {error}") from error


def check_members(members: zipfile.ZipFile, archive: Path) -> None:
    """Refuse an archive before anything of it is written.

    Args:
        members: The open archive.
        archive: Where it is.

    Raises:
        ValueError: If a name is absolute, leads out of the directory or comes twice, a
            member is a link or a device, or the whole is larger than the limits.
    """
    infos = members.infolist()
    if len(infos) > MAX_MEMBERS:
        raise ValueError(
            f"{archive} has {len(infos)} members; the limit is {MAX_MEMBERS}"
        )
    seen: set[str] = set()
    for info in infos:
        name = info.filename
        parts = PurePosixPath(name).parts
        if (
            not parts
            or name.startswith("/")
            or ".." in parts
            or set(name) & set("\\:\0")
            or name != info.orig_filename
        ):
            raise ValueError(
                f"{archive} has a member {info.orig_filename!r}, which is no name of a "
                "file below the model's directory: nothing was unpacked"
            )
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
            raise ValueError(
                f"{archive}: {name} is a {_kind(kind)}; expected plain files: nothing "
                "was unpacked"
            )
        if "/".join(parts) in seen:
            raise ValueError(f"{archive} has two members {name}: nothing was unpacked")
        seen.add("/".join(parts))
    size = sum(info.file_size for info in infos)
    limit = min(MAX_BYTES, FREE_BYTES + MAX_RATIO * archive.stat().st_size)
    if size > limit:
        raise ValueError(
            f"{archive} would unpack to {size} bytes; the limit for an archive of its "
            f"size is {limit}: nothing was unpacked"
        )


def _kind(mode: int) -> str:
    """Name a kind of file that an archive must not have."""
    kinds = {
        stat.S_IFLNK: "symbolic link",
        stat.S_IFIFO: "named pipe",
        stat.S_IFDIR: "directory with content",
    }
    return kinds.get(mode, "device")


def _extract(members: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """Write a member; of no other size than its header says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with members.open(info) as packed, target.open("xb") as plain:
        while block := packed.read(BLOCK):
            written += plain.write(block)
    if written != info.file_size:
        raise ValueError(
            f"cannot unpack {members.filename}: {info.filename} has {written} bytes, "
            f"its header says {info.file_size}"
        )
