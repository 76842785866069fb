"""Kaldi's text files: what is read, as widely as Kaldi does, and what is refused."""

import math

import pytest

from espnet_st.data.kaldi import (
    Segment,
    file_of_key,
    read_ctm,
    read_segments,
    read_table,
    write_table,
)

EXPECTED = {"utt1": "hello there world", "utt2": "good morning all"}


@pytest.mark.parametrize(
    "content",
    [
        "utt1 hello there world\nutt2 good morning all\n",
        "utt1\thello there world\nutt2\tgood morning all\n",
        "\ufeffutt1 hello there world\nutt2 good morning all\n",
        "utt1 hello there world\r\nutt2 good morning all\r\n",
        "utt1  \t hello there world \nutt2 good morning all",
    ],
    ids=["blank", "tab", "byte order mark", "windows", "more white space"],
)
def test_a_table_in_any_dress_is_the_same(content, tmp_path):
    path = tmp_path / "text"
    path.write_bytes(content.encode())
    assert read_table(path) == EXPECTED


def test_a_text_may_hold_what_unicode_takes_for_a_line_end(tmp_path):
    path = tmp_path / "text"
    table = {"a": "one\u2028two\x0bthree\x85four", "b": "five"}
    write_table(path, table)
    assert read_table(path) == table


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a 1\na 2\n", ":2: key 'a' comes twice"),
        (b"a 1\na\t2\n", ":2: key 'a' comes twice"),
        (b"a 1\n\nb 2\n", ":2: empty line"),
        (b"a 1\nb\n", ":2: nothing after key 'b'"),
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"a \xff\n", "not UTF-8 text"),
        (None, "no such file"),
    ],
)
def test_what_is_no_table_is_refused(content, message, tmp_path):
    path = tmp_path / "text"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(path)


def test_a_key_alone_is_allowed_where_it_is_asked_for(tmp_path):
    path = tmp_path / "text"
    path.write_text("a\nb two\n")
    assert read_table(path, allow_empty=True) == {"a": "", "b": "two"}


def test_segments_and_times_are_read_in_the_same_dress(tmp_path):
    path = tmp_path / "segments"
    path.write_bytes("\ufeffu1\trec 0.5 1\r\nu2 rec 1 -1\r\n".encode())
    assert read_segments(path) == {
        "u1": Segment("rec", 0.5, 1.0),
        "u2": Segment("rec", 1.0, math.inf),
    }
    path.write_bytes(
        "\ufeff;; a comment\r\nu1\t1 0.0 0.5 AH\r\nu2 A 0 1 B 0.9\r\n".encode()
    )
    assert read_ctm(path) == {"u1": [(0.0, 0.5, "AH")], "u2": [(0.0, 1.0, "B")]}
    for line in ("u1 1 0.0 AH", "u1 1 x 0.5 AH", "u1 1 0 1 AH 0.9 more", ""):
        path.write_text(f"u0 1 0 1 B\n{line}\n")
        with pytest.raises(ValueError, match=":2: .*expected 'utterance channel"):
            read_ctm(path)


@pytest.mark.parametrize("key", ["../b", "a/../../b", "/etc/b", "..", "a\0b"])
def test_no_key_leads_out_of_its_directory(key, tmp_path):
    with pytest.raises(ValueError, match="names a file outside of"):
        file_of_key(tmp_path / "wav", key, ".wav")


def test_other_keys_name_files_of_the_directory(tmp_path):
    for key in ("a", "a.b", "..a", "speaker/a"):
        path = file_of_key(tmp_path, key, ".wav")
        assert path == tmp_path / f"{key}.wav"
        assert path.resolve().is_relative_to(tmp_path.resolve())
