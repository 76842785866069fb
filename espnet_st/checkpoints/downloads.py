"""Downloading a file by its URL: once, and from where it stopped."""

from __future__ import annotations

import hashlib
import http.client
import logging
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from filelock import FileLock

from espnet_st.checkpoints.archives import BLOCK, cache_directory, file_sha256
from espnet_st.checkpoints.remedies import refusal

TIMEOUT = 30
"""Seconds without a byte after which a connection counts as lost."""

ATTEMPTS = 3
"""How often a download that is getting on is taken up again within one call."""


def download(url: str) -> Path:
    """Download a file into the cache; what is there is not asked for again.

    An interrupted download is kept as `.part`, and the next call goes on from there if
    the server can tell that its file is still the same.

    Args:
        url: `http://` or `https://`; `#sha256=` and 64 hexadecimal digits at its end
            tell which content is expected.

    Returns:
        The file in the cache.

    Raises:
        ValueError: If it cannot be had, or has another content than expected.
    """
    url, _, fragment = url.partition("#")
    expected = _expected_hash(fragment)
    name = urllib.parse.unquote(Path(urllib.parse.urlsplit(url).path).name)
    name = re.sub(r"[^\w.-]", "_", name).strip(".") or "file"
    directory = (
        cache_directory() / "downloads" / hashlib.sha256(url.encode()).hexdigest()
    )
    target = directory / name
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / ".lock"):
        if not target.is_file():
            _download_parts(url, target)
        if expected:
            found = file_sha256(target)
            if found != expected:
                target.unlink()
                raise ValueError(
                    f"{url} has the SHA-256 {found}; expected {expected}: it is not "
                    "the file that was meant, and was removed"
                )
    return target


def _expected_hash(fragment: str) -> str:
    """Read `sha256=...` of a URL; empty if it says nothing.

    Raises:
        ValueError: If it says something else.
    """
    if not fragment:
        return ""
    match = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
    if match is None:
        raise ValueError(
            f"the URL ends in #{fragment}; expected nothing, or #sha256= and 64 "
            "hexadecimal digits"
        )
    return match[1].lower()


def _download_parts(url: str, target: Path) -> None:
    """Download to `target`, taking up what stopped while it is getting on."""
    part = target.with_name(target.name + ".part")
    for attempt in range(1, ATTEMPTS + 1):
        before, size, reason = _size(part), None, "the connection was closed"
        try:
            size = _continue(url, part)
        except urllib.error.HTTPError as error:
            raise ValueError(f"cannot download {url}: {refusal(error.code)}") from error
        except urllib.error.URLError as error:
            raise ValueError(f"cannot download {url}: {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
        else:
            if size in (None, _size(part)):
                part.replace(target)
                _validator(part).unlink(missing_ok=True)
                return
        logging.warning("%s: %s after %d bytes", url, reason, _size(part))
        if _size(part) <= before or attempt == ATTEMPTS:
            of = f" of {size}" if size else ""
            raise ValueError(
                f"{url} stopped after {_size(part)}{of} bytes ({reason}): try again, "
                "it goes on from there if the server can"
            )


def _size(part: Path) -> int:
    """Give the bytes that are there of a file."""
    return part.stat().st_size if part.is_file() else 0


def _continue(url: str, part: Path) -> int | None:
    """Append what is left of a file to `part`.

    Returns:
        The bytes that the whole file has, if the server tells.
    """
    validator = _validator(part)
    request = urllib.request.Request(url, headers={"User-Agent": "espnet-st"})
    start = _size(part)
    if start and validator.is_file():
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", validator.read_text(encoding="utf-8"))
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # No such range: the file there is shorter than what we have of it.
        part.unlink(missing_ok=True)
        validator.unlink(missing_ok=True)
        return _continue(url, part)
    with answer:
        start = start if answer.status == 206 else 0
        length = answer.headers.get("Content-Length")
        known = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        # A weak ETag does not promise the same bytes.
        if known and not known.startswith("W/"):
            validator.write_text(known, encoding="utf-8")
        else:
            validator.unlink(missing_ok=True)
        with part.open("ab" if start else "wb") as file:
            while block := answer.read1(BLOCK):
                file.write(block)
    return None if length is None else start + int(length)


def _validator(part: Path) -> Path:
    """Name the file that tells of which version `part` is."""
    return part.with_name(part.name + ".version")
