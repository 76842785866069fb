"""Finished scores on disk, so that a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def fingerprint(**parts: Any) -> str:
    """Hash what scores depend on (JSON types), shortly."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_stamps(paths: Iterable[Path | None]) -> list[str]:
    """Give size and time of each file, "missing" where there is none."""
    stamps = []
    for path in paths:
        if path is None or not path.is_file():
            stamps.append(f"{path} missing")
        else:
            stat = path.stat()
            stamps.append(f"{path} {stat.st_size} {stat.st_mtime_ns}")
    return stamps


class ScoreCache:
    """Keep one JSON file per scorer and condition.

    An entry is found again only if its fingerprint, i.e. its settings and inputs, is
    what it was when the entry was written.

    Args:
        directory: Made at the first `put`.
    """

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)

    def _path(self, scorer: str, condition: str) -> Path:
        return self.directory / scorer / f"{condition}.json"

    def get(self, scorer: str, condition: str, stamp: str) -> Any | None:
        """Return an entry's content, or None if it must be computed."""
        path = self._path(scorer, condition)
        if not path.is_file():
            return None
        entry = json.loads(path.read_text(encoding="utf-8"))
        return entry["content"] if entry["fingerprint"] == stamp else None

    def put(self, scorer: str, condition: str, stamp: str, content: Any) -> None:
        """Write an entry; a reader sees the old file or the whole new one."""
        path = self._path(scorer, condition)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        entry = {"fingerprint": stamp, "content": content}
        partial.write_text(json.dumps(entry), encoding="utf-8")
        partial.replace(path)
