"""Answers are read against their key; what is off is refused, each file by name."""

import json

import pytest

from espnet_st.slmtokbench.listening.answers import read_answers, read_key
from espnet_st.slmtokbench.listening.kinds import MUSHRA


def plain(system, item):
    return {"Groundtruth": 100, "Good": 80, "Bad": 20}[system] - item


def test_answers_say_who_rated_what(make_key, answer):
    file = make_key()
    key = read_key(file)
    assert (key.test, key.kind) == ("t1", MUSHRA)
    (found,) = read_answers([answer(file, "a", plain, rater_id=" Ada ")], key)
    assert (found.session, found.rater) == ("session of a", "Ada")
    assert found.ratings["Good", "item3"] == 77 and len(found.ratings) == 12


def change(path, **changes):
    content = json.loads(path.read_text())
    for name, value in changes.items():
        content[name] = value(content[name]) if callable(value) else value
    path.write_text(json.dumps(content))
    return path


def without_one(ratings):
    return {name: ratings[name] for name in list(ratings)[1:]}


FIRST = "0" * 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": "t2"}, "answers to the test t2; the key is that of t1"),
        ({"format": "other"}, "is no file of answers"),
        ({"version": 2}, "is no file of answers"),
        ({"ratings": lambda r: r | {"f" * 16: 5}}, "no sound 'f+' is in this test"),
        ({"ratings": lambda r: r | {FIRST: 0}}, "a rating of 0; .* from 1 to 100"),
        ({"ratings": lambda r: r | {FIRST: 101}}, "a rating of 101"),
        (
            {"ratings": lambda r: r | {FIRST: 50.5}},
            "a rating of 50.5; expected a whole",
        ),
        ({"ratings": lambda r: r | {FIRST: True}}, "a rating of True"),
        ({"ratings": lambda r: r | {FIRST: None}}, "a rating of None"),
        ({"ratings": without_one}, "finished, but 1 of 12 .* item0 of Groundtruth"),
        ({"ratings": []}, "ratings are off"),
        ({"session": None}, "session, rater_id"),
        ({"finished_at": 3}, "finished_at or ratings are off"),
    ],
)
def test_what_is_off_is_refused(make_key, answer, changes, message):
    file = make_key()
    path = change(answer(file, "odd", plain), **changes)
    with pytest.raises(ValueError, match=rf"odd.json.*{message}"):
        read_answers([path], read_key(file))


def test_an_unfinished_test_is_read(make_key, answer):
    file = make_key()
    path = change(answer(file, "a", plain, finished=None), ratings=without_one)
    (found,) = read_answers([path], read_key(file))
    assert found.finished is None and len(found.ratings) == 11


def test_all_bad_files_are_named_at_once(make_key, answer, tmp_path):
    file = make_key()
    (tmp_path / "none.json").write_text("no JSON")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\xff")
    names = ("none", "list", "bytes", "absent")
    paths = [tmp_path / f"{name}.json" for name in names]
    with pytest.raises(ValueError) as caught:
        read_answers([answer(file, "good", plain), *paths], read_key(file))
    lines = str(caught.value).splitlines()
    said = ("is not JSON", "expected a JSON object", "is not JSON", "no such file")
    assert len(lines) == 4
    for line, name, what in zip(lines, names, said):
        assert f"{name}.json" in line and what in line
    with pytest.raises(ValueError, match="no answers; expected the files"):
        read_answers([], read_key(file))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda key: key.pop("kind"), "is no key of a listening test"),
        (lambda key: key.update(kind="other"), "is no key of a listening test"),
        (lambda key: key.update(sounds=[]), "is no key of a listening test"),
        (lambda key: key["sounds"].popitem(), "not all systems by all items"),
        (lambda key: key["items"].pop(), "not all systems by all items"),
    ],
)
def test_a_file_that_is_no_key_is_refused(make_key, change, message):
    path = make_key()
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_key(path)


def test_a_mushra_key_has_its_reference(make_key):
    with pytest.raises(ValueError, match="no system Groundtruth"):
        read_key(make_key(systems=("Good", "Bad")))
    assert read_key(make_key("mos", systems=("Good", "Bad"))).systems == ("Good", "Bad")
