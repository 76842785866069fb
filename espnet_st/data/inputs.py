"""Finding what a user names: files, patterns, directories, tables, standard input.

What is in a file, and whether it can be read, is found out when it is read.
"""

from __future__ import annotations

import glob
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from espnet_st.data.corpus import Utterance, read_corpus

STANDARD_INPUT = "-"

AUDIO = (
    *(".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf"),
    *(".rf64", ".snd", ".sph", ".w64", ".wv1", ".wv2"),
)
"""Ends of the names of audio files, in small letters."""


@contextmanager
def named_inputs(
    names: Sequence[str], tables: Sequence[str] = ("wav.scp",), ends: Sequence[str] = ()
) -> Iterator[dict[str, Utterance]]:
    """Find what names stand for; standard input is kept within the `with`.

    Args:
        names: Files; patterns with `*`, `?` or `[`; directories, of which the table is
            taken, with `segments` beside it, or else all files in them but hidden
            ones; tables (`.scp`); or `-` alone.
        tables: Names of the tables of a directory, the preferred first.
        ends: How names of files in directories may end, beside those of audio.

    Yields:
        Inputs by key: the file's name without its end, behind the directories that it
        is in below the one that was named; the key of a table; `stdin`.

    Raises:
        ValueError: If there is nothing of a name, or two inputs have one key.
    """
    if STANDARD_INPUT not in names:
        yield _find(names, tables, (*AUDIO, *ends))
    elif len(names) > 1:
        raise ValueError("- (standard input) beside other inputs: give it alone")
    else:
        with tempfile.TemporaryDirectory() as work:
            path = Path(work, "standard-input")
            path.write_bytes(read_standard_input())
            yield {"stdin": Utterance(str(path))}


def read_standard_input() -> bytes:
    """Read all that comes on standard input.

    Raises:
        ValueError: If nothing does.
    """
    if sys.stdin.isatty():
        raise ValueError("- is standard input, and nothing is sent there: use a pipe")
    content = sys.stdin.buffer.read()
    if not content:
        raise ValueError("nothing came on standard input: did the command before fail?")
    return content


def _find(
    names: Sequence[str], tables: Sequence[str], ends: Sequence[str]
) -> dict[str, Utterance]:
    found: dict[str, Utterance] = {}
    for name in names:
        for key, utterance in _find_one(name, tables, ends):
            other = found.setdefault(key, utterance)
            if other != utterance:
                raise ValueError(
                    f"{other.source} and {utterance.source} would both be {key!r}: "
                    "do them one after the other, or name them in a wav.scp"
                )
    return found


def _find_one(
    name: str, tables: Sequence[str], ends: Sequence[str]
) -> Iterator[tuple[str, Utterance]]:
    path = Path(name)
    if path.is_dir():
        yield from _find_in_directory(path, tables, ends)
    elif path.suffix == ".scp":
        yield from read_corpus(path).items()
    elif glob.has_magic(name) and not path.exists():
        matches = sorted(glob.glob(name, recursive=True))
        files = [match for match in matches if Path(match).is_file()]
        if not files:
            raise ValueError(f"no file is named like {name!r}")
        for match in files:
            yield Path(match).stem, Utterance(match)
    else:
        yield path.stem, Utterance(name)


def _find_in_directory(
    path: Path, tables: Sequence[str], ends: Sequence[str]
) -> Iterator[tuple[str, Utterance]]:
    for table in tables:
        if (path / table).is_file():
            parts = path / "segments"
            parts_of = parts if table == "wav.scp" and parts.is_file() else None
            yield from read_corpus(path / table, parts_of).items()
            return
    files = sorted(
        one
        for one in path.rglob("*")
        if one.suffix.lower() in ends and one.is_file() and one.name[0] != "."
    )
    if not files:
        expected = ", ".join((*tables, *ends))
        raise ValueError(f"nothing in {path} that can be read: expected {expected}")
    for file in files:
        yield str(file.relative_to(path).with_suffix("")), Utterance(str(file))
