"""Players, notices and what the page says of a codec."""

import pytest
from html_reader import Reader

from espnet_st.demo.players import (
    Player,
    describe,
    draw_players,
    format_bit_rate,
    notice,
)


@pytest.mark.parametrize(
    "bits, text",
    [(256000, "256 kbit/s"), (450, "0.45 kbit/s"), (500.4, "0.5 kbit/s")],
)
def test_bit_rates_are_short(bits, text):
    assert format_bit_rate(bits) == text


def test_a_row_for_each_player():
    reader = Reader(draw_players([Player("a", "u/1.wav", "x"), Player("b", "u/2.wav")]))
    audio = [attrs for tag, attrs in reader.tags if tag == "audio"]
    assert [one["src"] for one in audio] == ["u/1.wav", "u/2.wav"]
    assert [one["aria-label"] for one in audio] == ["a", "b"]
    assert reader.text == ["a", "x", "b"]


def test_what_people_type_is_text():
    typed = '<img src=x onerror="alert(1)"> & {{x}} ${1}'
    for html in (notice(typed), draw_players([Player(typed, "u")])):
        reader = Reader(html)
        assert "img" not in [tag for tag, _ in reader.tags]
        assert typed in reader.text


def test_a_problem_is_announced_and_a_hint_is_not():
    assert 'role="alert"' in notice("Oh.")
    assert 'role="note"' in notice("By the way.", "hint")


def test_what_a_codec_is(codec_24k):
    assert Reader(describe(codec_24k, ["codec mine"])).text == [
        "codec mine",
        "24 kHz",
        "4 layers of 16 codes",
        "75 frames per second",
        "1.2 kbit/s",
    ]
