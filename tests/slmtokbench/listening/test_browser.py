"""Listening tests in a browser, off line, from files: rated from beginning to end.

They need playwright and a Chromium: Debian's, or what the environment variable CHROMIUM
names.
"""

import json
import re

import pytest
from listening_browser import (
    hear_and_rate,
    saved,
    shown_value,
    tab_to,
    todo,
    until,
    where,
    wide,
)

from espnet_st.slmtokbench.listening.answers import read_answers, read_key
from espnet_st.slmtokbench.listening.kinds import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_play_rate_reload_finish_and_export(
    visit, kind, pages, read_page, key_of, tmp_path
):
    page = visit(kind, "#rater=2")
    assert wide(page) == 0
    assert page.input_value("#rater") == "2" and page.is_disabled("#rater")
    page.fill("#name", "Ada & <b>")
    page.select_option("#headphones", "headphones")
    page.click("#start")
    trials = read_page(pages[kind])["rows"][1]
    given = {}
    for number, trial in enumerate(trials, 1):
        assert where(page) == f"Trial {number} of {len(trials)}"
        about = read_page(pages[kind])["about"][trial[0]]
        assert f"“{about['text']}”" == page.inner_text(".sentence")
        ratings = [
            (7 * number + 30 * place) % 90 + 5 if kind == "mushra" else 1 + number % 5
            for place in range(len(trial))
        ]
        hear_and_rate(page, kind, ratings)
        given |= dict(zip(trial, ratings))
        assert wide(page) == 0
        if number == 1:  # reload, and go on where one was
            page.reload()
            assert where(page) == f"Trial 1 of {len(trials)}"
            assert shown_value(page, kind) == str(ratings[0])
            page.click("#next")
            page.click("#back")
            assert shown_value(page, kind) == str(ratings[0])
        page.click("#next")
    assert page.inner_text("#finish h1") == "Thank you" and wide(page) == 0
    assert page.inner_text("#send-to") == "Send it to <nobody>."
    path = saved(page, "#download", tmp_path)
    content = json.loads(path.read_text())
    assert content["ratings"] == given and content["finished_at"]
    assert (content["rater_number"], content["rater_id"]) == (2, "Ada & <b>")
    assert content["headphones"] == "headphones"
    key = read_key(key_of(pages[kind]))
    (answers,) = read_answers([path], key)
    assert answers.ratings == {key.sounds[one]: value for one, value in given.items()}
    page.reload()  # it stays finished
    assert page.inner_text("#finish h1") == "Thank you"
    assert page.evaluate("document.getElementById('answers').value") == path.read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_keys_alone_are_enough(visit, kind, pages, read_page, tmp_path):
    page = visit(kind, viewport={"width": 1200, "height": 800})
    tab_to(page, "#name")
    page.keyboard.type("0 1 2")  # digits and blanks are text here
    tab_to(page, "#start")
    page.keyboard.press("Enter")
    trials = read_page(pages[kind])["rows"][0]
    for number in range(1, len(trials) + 1):
        assert where(page).startswith(f"Trial {number} ")
        if kind == "mushra":
            for digit in "0123":
                page.keyboard.press(digit)
                name = (
                    "the reference"
                    if digit == "0"
                    else f"sound {'ABC'[int(digit) - 1]}"
                )
                until(page, lambda x=name: not re.search(f"hear.*{x}", todo(page)))
                if digit != "0":
                    page.keyboard.press("PageUp")
                    page.keyboard.press("ArrowRight")
            page.keyboard.press("Space")
            assert page.inner_text("#trial .play") == "Play"
        else:
            if kind == "smos":
                page.keyboard.press("0")
                until(page, lambda: "whole" in todo(page))
            page.keyboard.press("Space")
            until(page, page.get_by_role("radio").first.is_enabled)
            page.keyboard.press("5")
            page.keyboard.press("ArrowLeft")
            assert shown_value(page, kind) == "4"
        assert todo(page) == ""
        tab_to(page, "#next")
        page.keyboard.press("Enter")
    page.wait_for_selector("#finish:not([hidden])")
    tab_to(page, "#download")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    download.value.save_as(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    assert len(content["ratings"]) == 6 and content["rater_id"] == "0 1 2"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_rated_before_it_was_heard(visit, kind):
    page = visit(kind)
    page.click("#start")
    inputs = page.locator("#trial input:not(.place)")
    assert inputs.count() == (3 if kind == "mushra" else 5)
    assert all(one.is_disabled() for one in inputs.all())
    page.keyboard.press("ArrowRight")
    if kind != "mushra":
        page.keyboard.press("3")
    page.click("#next")
    assert where(page).startswith("Trial 1 ")
    missing = {
        "mushra": "Still to hear: the reference, sound A, sound B, sound C.",
        "mos": "Listen to the whole sound, then rate it.",
        "smos": "Listen to the prompt first.",
    }[kind]
    assert page.inner_text("#notice") == page.inner_text("#todo") == missing
    assert page.locator("#trial input:checked").count() == 0
