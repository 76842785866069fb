"""Kaldi data directories: tables of "key value" lines, read with their mistakes named.

Holds what the scripts of the stages share; audio is none of its business.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any


def read_table(path: str | Path, *, allow_empty: bool = False) -> dict[str, str]:
    """Read a file of sorted "key value" lines.

    Args:
        path: the file.
        allow_empty: whether a key may stand without a value.

    Returns:
        Values by key, in the file's order.

    Raises:
        ValueError: there is no such file, it is empty or no UTF-8, a line has no key, a
            key comes twice or out of order, or a value is empty.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text ({error})") from None
    table: dict[str, str] = {}
    last = ""
    for number, line in enumerate(lines, 1):
        key, _, value = line.strip().partition(" ")
        where = f"{path}:{number}"
        if not key:
            raise ValueError(f"{where}: empty line; expected 'key value'")
        if "/" in key:
            raise ValueError(f"{where}: key {key!r} holds a slash; keys name files")
        if key in table:
            raise ValueError(f"{where}: key {key!r} comes twice; keep one")
        if key < last:
            raise ValueError(
                f"{where}: key {key!r} comes after {last!r}; sort the file with"
                " LC_ALL=C sort"
            )
        if not value.strip() and not allow_empty:
            raise ValueError(
                f"{where}: nothing after key {key!r}; remove the utterance"
            )
        table[key] = value.strip()
        last = key
    if not table:
        raise ValueError(f"{path}: the file is empty")
    return table


def write_table(path: str | Path, table: Mapping[str, object]) -> None:
    """Write "key value" lines sorted by key, through a temporary file."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    lines = (f"{key} {table[key]}".rstrip() + "\n" for key in sorted(table))
    part.write_text("".join(lines), encoding="utf-8")
    part.replace(path)


def spk2utt(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """The utterances of each speaker, sorted, joined by blanks."""
    speakers: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk):
        speakers.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(keys) for speaker, keys in speakers.items()}


def check_same_keys(directory: Path, tables: Mapping[str, Iterable[str]]) -> None:
    """Hold the files of a directory to the keys of the first one.

    Args:
        directory: for the message only.
        tables: keys by file name, in the files' order.

    Raises:
        ValueError: a key stands in one file and not in another.
    """
    (first, wanted), *others = ((name, set(keys)) for name, keys in tables.items())
    for name, keys in others:
        for has, lacks, difference in (
            (first, name, wanted - keys),
            (name, first, keys - wanted),
        ):
            if difference:
                raise ValueError(
                    f"{directory}: key {min(difference)!r} stands in {has} but not in"
                    f" {lacks} ({len(difference)} such)"
                )


def read_data_dir(directory: str | Path) -> dict[str, dict[str, str]]:
    """Read `wav.scp`, `utt2spk` and `text` of a directory, and hold them together.

    `text` may be missing: codecs are trained without it.

    Raises:
        ValueError: what `read_table` and `check_same_keys` refuse.
    """
    directory = Path(directory)
    names = ["wav.scp", "utt2spk"]
    if (directory / "text").exists():
        names.append("text")
    tables = {name: read_table(directory / name) for name in names}
    check_same_keys(directory, tables)
    return tables


def exit_code(script: Callable[..., None], *args: Any) -> int:
    """Run a script, its log on the screen.

    Returns:
        What the process should exit with: 1 if it refused its input, and why is logged.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    try:
        script(*args)
    except ValueError as error:
        logging.error("%s", error)
        return 1
    return 0
