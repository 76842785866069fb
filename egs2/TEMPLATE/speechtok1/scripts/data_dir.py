"""Reading Kaldi data directories as a whole, with their mistakes named.

Holds what the scripts of the stages share; audio is none of its business, and tables
are read by `espnet_st.data.kaldi`.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from espnet_st.data.kaldi import read_table


def check_keys(path: Path, keys: Iterable[str]) -> None:
    """Hold a table of this recipe to keys that name files, in the order of Kaldi.

    Raises:
        ValueError: If a key holds a slash or comes out of order.
    """
    last = ""
    for key in keys:
        if "/" in key:
            raise ValueError(f"{path}: key {key!r} holds a slash; keys name files")
        if key < last:
            raise ValueError(
                f"{path}: key {key!r} comes after {last!r}; sort the file with"
                " LC_ALL=C sort"
            )
        last = key


def spk2utt(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """List the utterances of each speaker, sorted, joined by blanks."""
    speakers: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk):
        speakers.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(keys) for speaker, keys in speakers.items()}


def check_same_keys(directory: Path, tables: Mapping[str, Iterable[str]]) -> None:
    """Hold the files of a directory to the keys of the first one.

    Args:
        directory: For the message only.
        tables: Keys by file name, in the files' order.

    Raises:
        ValueError: If a key stands in one file and not in another.
    """
    (first, expected), *others = ((name, set(keys)) for name, keys in tables.items())
    for name, keys in others:
        for has, lacks, difference in (
            (first, name, expected - keys),
            (name, first, keys - expected),
        ):
            if difference:
                raise ValueError(
                    f"{directory}: key {min(difference)!r} stands in {has} but not in"
                    f" {lacks} ({len(difference)} such)"
                )


def read_data_dir(directory: str | Path) -> dict[str, dict[str, str]]:
    """Read the tables of a directory, and hold them together.

    These are `wav.scp`, `utt2spk`, maybe `segments`, and maybe `text`: codecs are
    trained without it. Where there are `segments`, the keys of `wav.scp` are those of
    recordings, and all others those of utterances.

    Raises:
        ValueError: If `read_table`, `check_keys` or `check_same_keys` refuses one.
    """
    directory = Path(directory)
    names = ["segments"] if (directory / "segments").exists() else []
    names += ["wav.scp", "utt2spk"]
    names += ["text"] if (directory / "text").exists() else []
    tables = {name: read_table(directory / name) for name in names}
    for name, table in tables.items():
        check_keys(directory / name, table)
    recordings = {"wav.scp"} if "segments" in tables else set()
    check_same_keys(
        directory, {k: table for k, table in tables.items() if k not in recordings}
    )
    return tables


def exit_code(script: Callable[..., None], *args: Any) -> int:
    """Run a script, its log on the screen.

    Returns:
        What the process should exit with: 1 if it refused its input, which is logged.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    try:
        script(*args)
    except ValueError as error:
        logging.error("%s", error)
        return 1
    return 0
