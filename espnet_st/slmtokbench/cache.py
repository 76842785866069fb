"""Finished rows on disk, so that a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def fingerprint(**parts: Any) -> str:
    """A short hash of what a row depends on (JSON types)."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_stamps(paths: Iterable[Path | None]) -> list[str]:
    """Size and time of each file, "missing" where there is none."""
    stamps = []
    for path in paths:
        if path is None or not path.is_file():
            stamps.append(f"{path} missing")
        else:
            stat = path.stat()
            stamps.append(f"{path} {stat.st_size} {stat.st_mtime_ns}")
    return stamps


class RowCache:
    """One JSON file per scorer and condition.

    A row is found again only if its fingerprint, i.e. its settings and inputs, is
    what it was when the row was written.

    Args:
        directory: made at the first `put`.
    """

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)

    def _path(self, scorer: str, condition: str) -> Path:
        return self.directory / scorer / f"{condition}.json"

    def get(self, scorer: str, condition: str, stamp: str) -> Any | None:
        """The row's content, or None if it must be computed."""
        path = self._path(scorer, condition)
        if not path.is_file():
            return None
        row = json.loads(path.read_text(encoding="utf-8"))
        return row["content"] if row["fingerprint"] == stamp else None

    def put(self, scorer: str, condition: str, stamp: str, content: Any) -> None:
        """Write a row; a reader sees the old file or the whole new one."""
        path = self._path(scorer, condition)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        row = {"fingerprint": stamp, "content": content}
        partial.write_text(json.dumps(row), encoding="utf-8")
        partial.replace(path)
