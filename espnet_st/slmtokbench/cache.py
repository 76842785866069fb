"""Finished scores on disk, so that a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Row:
    """Hold what a scorer made of one utterance.

    Attributes:
        key: Utterance id.
        stamp: Fingerprint of all that the score depends on.
        value: What was measured (JSON types), None without one.
        failed: Why there is no value, "" with one.
    """

    key: str
    stamp: str
    value: Any = None
    failed: str = ""


class ScoreCache:
    """Keep scores by scorer and condition: whole, or row by row.

    A whole entry is a JSON file. Rows are lines of JSON that are appended one by one,
    so that a killed run loses none but those it was at; of several rows of one
    utterance the last counts. Both are found again only by their fingerprint, i.e. if
    settings and inputs are what they were.

    Args:
        directory: Made at the first write.
    """

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)

    def _path(self, scorer: str, condition: str, kind: str) -> Path:
        return self.directory / scorer / f"{condition}.{kind}"

    def get(self, scorer: str, condition: str, stamp: str) -> Any | None:
        """Return an entry's content, or None if it must be computed."""
        path = self._path(scorer, condition, "json")
        if not path.is_file():
            return None
        entry = json.loads(path.read_text(encoding="utf-8"))
        return entry["content"] if entry["fingerprint"] == stamp else None

    def put(self, scorer: str, condition: str, stamp: str, content: Any) -> None:
        """Write an entry; a reader sees the old file or the whole new one."""
        entry = {"fingerprint": stamp, "content": content}
        _replace(self._path(scorer, condition, "json"), json.dumps(entry))

    def rows(self, scorer: str, condition: str) -> dict[str, Row]:
        """Read the last row of each utterance, by its id.

        A line that a killed run left torn is passed over. The file is written afresh
        if there is one, or if most of its lines do not count any more.
        """
        path = self._path(scorer, condition, "jsonl")
        if not path.is_file():
            return {}
        text = path.read_text(encoding="utf-8", errors="replace")
        lines, rows = text.splitlines(), {}
        torn = not text.endswith("\n")
        for line in lines:
            try:
                row = Row(**json.loads(line))
            except (ValueError, TypeError):
                torn = True
            else:
                rows[row.key] = row
        if torn or len(lines) > 2 * len(rows):
            _replace(path, "".join(_line(row) for row in rows.values()))
        return rows

    def append(self, scorer: str, condition: str, row: Row) -> None:
        """Add a row; call `rows` before the first, which repairs the file."""
        path = self._path(scorer, condition, "jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(_line(row))


def _line(row: Row) -> str:
    return json.dumps(asdict(row)) + "\n"


def _replace(path: Path, text: str) -> None:
    """Write a file; a reader sees the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
