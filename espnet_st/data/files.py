"""Writing files whole: what a killed run leaves is complete, or not there."""

from __future__ import annotations

from pathlib import Path

PARTIAL = ".part"
"""What the name of a file that is not whole yet ends with."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, its directories too; it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL)
    partial.write_bytes(content)
    partial.replace(path)
