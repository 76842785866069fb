"""Long texts are cut where a speaker would pause."""

import re

import pytest

from espnet_st.inference.sentences import split_text


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("One. Two.", 20, ["One. Two."]),
        ("One two. Three! Four?", 16, ["One two. Three!", "Four?"]),
        ('He said "no." Then he left.', 15, ['He said "no."', "Then he left."]),
        ("One, two, three. Four.", 10, ["One, two,", "three.", "Four."]),
        ("one two three four", 9, ["one two", "three", "four"]),
        ("It is 3.14 or 1,000.", 12, ["It is 3.14", "or 1,000."]),
        ("你好。我很好，谢谢。", 4, ["你好。", "我很好，", "谢谢。"]),
        ("abcdefg", 3, ["abc", "def", "g"]),
        ("  ", 3, []),
    ],
)
def test_places_to_cut(text, limit, parts):
    assert split_text(text, limit) == parts


@pytest.mark.parametrize("limit", [1, 7, 30, 80, 1000])
def test_nothing_is_lost_and_no_part_is_too_long(limit):
    text = (
        "The farmer, who had a red rope, went away; nobody saw him go. Why? "
        'No one asked: it was late…  And (so they say) "he sings" – sometimes.\n'
        "Averyverylongwordwithoutanyplacetobreathe, then the end"
    )
    parts = split_text(text, limit)
    assert re.sub(r"\s", "", "".join(parts)) == re.sub(r"\s", "", text)
    assert all(0 < len(part) <= limit for part in parts)
    assert all(part == part.strip() for part in parts)


def test_size_is_what_the_caller_measures():
    parts = split_text("a b c. d e. f", 3, lambda part: len(part.split()))
    assert parts == ["a b c.", "d e. f"]
