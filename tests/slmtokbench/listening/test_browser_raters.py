"""Several raters, browsers that keep nothing, and what a page may not do."""

import json
import sys
from pathlib import Path

from listening_browser import hear_and_rate, saved, until, where


def test_raters_get_other_orders_and_do_not_share_answers(visit):
    page = visit("mushra", "#rater=1")
    page.click("#start")
    hear_and_rate(page, "mushra", [50, 60, 70])
    url = page.url.replace("#rater=1", "")
    texts = []
    for number in (1, 2, 1):
        page.goto("about:blank")
        page.goto(f"{url}?rater={number}")
        texts.append(
            page.inner_text("#start" if page.is_visible("#start") else "#where")
        )
    assert texts == ["Trial 1 of 2", "Start", "Trial 1 of 2"]


def test_another_rater_begins_anew(visit, pages, read_page, tmp_path):
    page = visit("mushra")
    page.fill("#rater", "0")
    page.click("#start")
    assert page.is_visible("#welcome")  # the browser says what a number is
    page.fill("#rater", "26")
    page.click("#start")
    hear_and_rate(page, "mushra", [50, 60, 70])
    path = saved(page, "#so-far", tmp_path)
    content = json.loads(path.read_text())
    rows = read_page(pages["mushra"])["rows"]
    assert content["ratings"] == dict(zip(rows[25 % len(rows)][0], [50, 60, 70]))
    assert content["finished_at"] is None
    page.click("#next")
    hear_and_rate(page, "mushra", [50, 60, 70])
    page.click("#next")
    page.click("#review")
    assert where(page) == "Trial 2 of 2"
    page.click("#next")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("#another")
    assert page.is_visible("#finish")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#another")
    assert page.inner_text("#start") == "Start" and page.is_enabled("#rater")
    page.click("#start")
    assert page.locator(".number").all_inner_texts() == ["–"] * 3
    second = json.loads(saved(page, "#so-far", tmp_path).read_text())
    assert second["session"] != content["session"] and second["ratings"] == {}


def test_answers_are_copied(visit):
    page = visit("mushra")
    page.click("#start")
    for _ in range(2):
        hear_and_rate(page, "mushra", [50, 60, 70])
        page.click("#next")
    page.click("#copy")
    until(page, lambda: page.inner_text("#notice") == "The answers are copied.")
    page.click("#finish summary") if not page.is_visible("#answers") else None
    answers = page.input_value("#answers")
    page.evaluate(
        """() => { const area = document.createElement('textarea');
            area.id = 'pasted'; document.body.append(area); area.focus(); }"""
    )
    page.keyboard.press("Meta+V" if sys.platform == "darwin" else "Control+V")
    assert page.input_value("#pasted") == answers and '"ratings"' in answers


def test_a_browser_that_keeps_nothing_is_named(visit):
    broken = """Object.defineProperty(window, 'localStorage',
        { get() { throw new DOMException('no', 'SecurityError'); } });"""
    page = visit("mos", scripts=[broken])
    page.click("#start")
    assert "does not keep answers" in page.inner_text("#notice")
    hear_and_rate(page, "mos", [3])
    page.click("#next")
    assert where(page) == "Trial 2 of 6"


def test_the_page_may_not_ask_others(browser, pages):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"file://{pages['mos']}")
    for what in ("fetch('http://127.0.0.1:9/')", "fetch('data:,x')"):
        assert page.evaluate(f"{what}.then(() => 'sent', error => error.name)") == (
            "TypeError"
        )
    assert "connect-src" not in Path(pages["mos"]).read_text().split("</head>")[0]
    context.close()
