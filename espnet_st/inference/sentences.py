"""Cutting a long text where a speaker would pause."""

from __future__ import annotations

import re
from collections.abc import Callable

PLACES = (
    r"[.!?;:…]+[\"'”’)\]]*\s+|[。！？；：]+[”’」』）]*\s*",
    r"[,–—]\s+|[，、]\s*",
    r"\s+",
    r"(?s:.)",
)
"""Patterns of places to cut, the best first: ends of sentences, commas, between words,
anywhere. A match stays with the text before it."""


def split_text(
    text: str, limit: int, size: Callable[[str], int] = len, level: int = 0
) -> list[str]:
    """Cut a text at its best places into few parts of at most `limit`.

    Args:
        text: What to cut; one that is not longer than `limit` stays whole.
        limit: Largest size of a part.
        size: Measures a part, in characters by default.
        level: First of `PLACES` to cut at.

    Returns:
        Parts without surrounding space, in order; together they are the text. A single
        character whose size is above the limit is a part.
    """
    text = text.strip()
    if not text:
        return []
    if size(text) <= limit or level == len(PLACES):
        return [text]
    ends = [match.end() for match in re.finditer(PLACES[level], text)]
    pieces = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)]) if a < b]
    parts, gathered = [], ""
    for piece in pieces:
        if gathered and size((gathered + piece).strip()) > limit:
            parts += split_text(gathered, limit, size, level + 1)
            gathered = ""
        gathered += piece
    return parts + split_text(gathered, limit, size, level + 1)
