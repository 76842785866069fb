"""What raters sent in: read against the key of their test, and refused if it is off."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_st.slmtokbench.listening.kinds import GROUNDTRUTH, KINDS, Kind

FORMAT, VERSION = "espnet-st listening answers", 1


@dataclass(frozen=True)
class Key:
    """Say whose each sound of a test is.

    Attributes:
        test: Name of the test.
        kind: Its kind.
        systems, items: Labels and utterance ids, in their order.
        sounds: Opaque name to system and item.
    """

    test: str
    kind: Kind
    systems: tuple[str, ...]
    items: tuple[str, ...]
    sounds: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Answers:
    """Hold what one rater sent in.

    Attributes:
        file: Where it stands.
        session: Name that the page drew.
        rater: What the rater typed as name or id; "" if nothing.
        finished: When the rater came to the end; None if the file was saved before.
        ratings: (system, item) to the rating.
    """

    file: Path
    session: str
    rater: str
    finished: str | None
    ratings: dict[tuple[str, str], int]


def read_key(path: str | Path) -> Key:
    """Read the key of a test, as `page.write_page` writes it.

    Raises:
        ValueError: If it is no key.
    """
    content = _read_object(Path(path))
    try:
        key = Key(
            test=content["test"],
            kind=KINDS[content["kind"]],
            systems=tuple(content["systems"]),
            items=tuple(content["items"]),
            sounds={
                name: (sound["system"], sound["item"])
                for name, sound in content["sounds"].items()
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no key of a listening test ({error!r}); expected a file of "
            "keys/ beside its page"
        ) from None
    expected = {(system, item) for system in key.systems for item in key.items}
    if set(key.sounds.values()) != expected or len(key.sounds) != len(expected):
        raise ValueError(f"{path}: its sounds are not all systems by all items")
    if key.kind.needs_reference and GROUNDTRUTH not in key.systems:
        raise ValueError(f"{path}: no system {GROUNDTRUTH}, the hidden reference")
    return key


def read_answers(paths: Sequence[str | Path], key: Key) -> list[Answers]:
    """Read files of answers.

    Args:
        paths: Of any number of raters.
        key: Of their test.

    Raises:
        ValueError: With a line for each file that is no answers to this test, or whose
            ratings cannot be.
    """
    answers, problems = [], []
    for path in map(Path, paths):
        try:
            answers.append(_read_one(path, key))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    if not answers:
        raise ValueError("no answers; expected the files that raters sent in")
    return answers


def _read_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:  # no UTF-8 is one, too
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(content)}")
    return content


def _read_one(path: Path, key: Key) -> Answers:
    content = _read_object(path)
    if content.get("format") != FORMAT or content.get("version") != VERSION:
        raise ValueError(f"{path} is no file of answers; expected what the page saves")
    if content.get("test") != key.test:
        raise ValueError(
            f"{path}: answers to the test {content.get('test')}; the key is that of "
            f"{key.test}"
        )
    finished, session = content.get("finished_at"), content.get("session")
    rater, ratings = content.get("rater_id", ""), content.get("ratings")
    if (
        not isinstance(session, str)
        or not isinstance(rater, str)
        or not isinstance(finished, (str, type(None)))
        or not isinstance(ratings, Mapping)
    ):
        raise ValueError(f"{path}: session, rater_id, finished_at or ratings are off")
    found = {}
    for name, rating in ratings.items():
        if name not in key.sounds:
            raise ValueError(
                f"{path}: no sound {name!r} is in this test; the file was changed"
            )
        if type(rating) is not int or not key.kind.low <= rating <= key.kind.high:
            raise ValueError(
                f"{path}: a rating of {rating!r}; expected a whole number from "
                f"{key.kind.low} to {key.kind.high}"
            )
        found[key.sounds[name]] = rating
    missing = sorted(set(key.sounds.values()) - set(found))
    if finished is not None and missing:
        system, item = missing[0]
        raise ValueError(
            f"{path}: finished, but {len(missing)} of {len(key.sounds)} sounds have no "
            f"rating, e.g. {item} of {system}; the file was changed"
        )
    return Answers(path, session, rater.strip(), finished, found)
