"""Listening tests in a browser, off line, from files.

They need playwright and a Chromium: Debian's, or what the environment variable CHROMIUM
names.
"""

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from espnet_st.slmtokbench.listening.answers import read_answers, read_key
from espnet_st.slmtokbench.listening.kinds import KINDS

PATIENCE = 30_000
"""Milliseconds that a busy machine may take for anything."""

TONES = {1000: "SecretCodec", 2000: "OtherCodec", 3000: "Groundtruth", 500: "prompt"}

EAR = """
window.ears = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...more) {
    if (target instanceof AudioDestinationNode) {
        if (!this.context.ear) {
            this.context.ear = new AnalyserNode(this.context, {
                fftSize: 2048, smoothingTimeConstant: 0,
            });
            window.ears.push(this.context.ear);
        }
        connect.call(this, this.context.ear);
    }
    return connect.call(this, target, ...more);
};
window.listen = () => {
    const [ear] = window.ears;
    if (!ear) return null;
    const bins = new Float32Array(ear.frequencyBinCount);
    ear.getFloatFrequencyData(bins);
    const best = bins.indexOf(Math.max(...bins));
    return bins[best] < -60 ? null : (best * ear.context.sampleRate) / ear.fftSize;
};
"""
"""Has the page hear itself: `listen()` gives the frequency that is loudest, in Hz."""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the browser tests need playwright"
    )
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("the browser tests need a Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, pages):
    """Opens the page of a kind; nothing may be asked of others, nor go wrong."""
    contexts, asked, complaints = [], [], []

    def opened(kind, address="", scripts=(), **options):
        options = {"viewport": {"width": 390, "height": 800}} | options
        context = browser.new_context(offline=True, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda one: complaints.append(one.text) if one.type == "error" else None,
        )
        for script in (EAR, *scripts):
            page.add_init_script(script)
        page.goto(f"file://{pages[kind]}{address}")
        return page

    yield opened
    for context in contexts:
        context.close()
    own = tuple(f"file://{page}" for page in pages.values())
    assert [url for url in asked if not url.startswith((*own, "data:", "blob:"))] == []
    assert complaints == []


def until(page, condition):
    """Wait for a condition on the page, which forbids the waiting of playwright."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < deadline, page.inner_text("main")
        page.wait_for_timeout(30)


def todo(page):
    return page.inner_text("#todo")


def hear_and_rate(page, kind, ratings):
    """Do one trial with the pointer; `ratings` gives a number for each letter."""
    if kind == "mushra":
        page.click("#trial button:has-text('Reference')")
        until(page, lambda: "reference" not in todo(page))
        for letter, value in zip("ABC", ratings):
            page.click(f"#trial .sound:text-is('{letter}')")
            slider = page.get_by_label(f"Rating of sound {letter}")
            until(page, slider.is_enabled)
            slider.fill(str(value))
        return
    for player in page.locator("#trial .play").all():
        player.click()
        for word in ("Pause", "Play"):
            until(page, lambda x=player, word=word: x.inner_text() == word)
    page.get_by_role("radio").nth(ratings[0] - 1).check()


def where(page):
    return page.inner_text("#where")


def wide(page):
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def saved(page, button, tmp_path):
    with page.expect_download() as download:
        page.click(button)
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def shown_value(page, kind, letter="A"):
    if kind == "mushra":
        return page.inner_text(f"#trial [aria-label='sound {letter}'] .number")
    return page.locator("#trial input:checked").get_attribute("value")


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


def tab_to(page, selector):
    for _ in range(40):
        if page.evaluate("one => document.activeElement.matches(one)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {selector} by the key Tab")


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


def heard(page):
    """What sounds: a system, the prompt, or None for silence."""
    page.wait_for_timeout(120)
    tone = page.evaluate("listen()")
    return tone and min(TONES.items(), key=lambda one: abs(one[0] - tone))[1]


def test_sounds_switch_where_they_are_and_each_is_its_own(
    visit, pages, read_page, key_of
):
    page = visit("mushra", "#rater=1")
    page.click("#start")
    key = read_key(key_of(pages["mushra"]))
    trial = read_page(pages["mushra"])["rows"][0][0]
    page.click("#trial button:has-text('Reference')")
    page.wait_for_selector(".sounding")
    assert heard(page) == "Groundtruth"
    for digit, name in enumerate(trial, 1):
        page.keyboard.press(str(digit))
        assert heard(page) == key.sounds[name][0]
        assert page.locator("[aria-pressed=true]").inner_text() == "ABC"[digit - 1]
    # It began again by itself, and the switch did not bring it to the beginning.
    page.wait_for_timeout(1000)
    assert page.inner_text("#trial .play") == "Pause"
    jumps = page.evaluate(
        """async () => {
            const place = document.querySelector('#trial .place');
            while (place.value < 300 || place.value > 600)
                await new Promise(f => setTimeout(f, 20));
            const before = Number(place.value);
            document.querySelectorAll('#trial .sound')[1].click();
            return [before, Number(place.value)];
        }"""
    )
    assert 0 <= jumps[1] - jumps[0] < 300
    page.click("#trial .play")
    assert heard(page) is None


def test_one_player_stops_the_other(visit, pages, read_page, key_of):
    page = visit("smos", "#rater=1")
    page.click("#start")
    trial = read_page(pages["smos"])["rows"][0][0]
    prompt, sound = page.locator("#trial .play").all()
    prompt.click()
    page.wait_for_selector("#trial .play:text-is('Pause')")
    assert heard(page) == "prompt"
    sound.click()
    until(page, lambda: sound.inner_text() == "Pause")
    assert prompt.inner_text() == "Play"
    assert heard(page) == read_key(key_of(pages["smos"])).sounds[trial[0]][0]
    page.click("#back")  # nor does it go on elsewhere
    assert heard(page) is None


def test_a_place_can_be_chosen(visit):
    page = visit("mos")
    page.click("#start")
    page.keyboard.press("Space")
    page.wait_for_selector("#trial .play:text-is('Pause')")
    page.keyboard.press("Space")
    place = page.get_by_label("Place in the sound")
    place.fill("500")
    assert 490 <= float(place.input_value()) <= 510
    assert page.inner_text("#trial .play") == "Play"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [320, 390, 900, 1400])
def test_no_width_scrolls_sideways(visit, kind, width):
    page = visit(kind, viewport={"width": width, "height": 700})
    assert wide(page) == 0
    page.click("summary")
    assert wide(page) == 0
    page.click("#start")
    page.click("footer summary")
    assert wide(page) == 0


def test_dark_where_the_system_is_dark(visit):
    colours = []
    for scheme in ("light", "dark"):
        page = visit("mos", color_scheme=scheme)
        style = "getComputedStyle(document.body)"
        colours.append(page.evaluate(f"[{style}.color, {style}.backgroundColor]"))

    def light(colour):
        return sum(map(int, colour[4:-1].split(",")))

    (ink, ground), (dark_ink, dark_ground) = (map(light, one) for one in colours)
    assert ink < 200 < 600 < ground and dark_ground < 200 < 600 < dark_ink


def test_a_screen_reader_finds_names_and_states(visit):
    page = visit("mushra")
    assert page.get_by_role("spinbutton", name="Rater number").count() == 1
    assert page.get_by_role("combobox", name="You listen with").count() == 1
    page.click("#start")
    for role, name in [
        ("heading", "Trial 1 of 2"),
        ("progressbar", "Trials rated"),
        ("button", "Play the sounds"),
        ("slider", "Place in the sounds"),
        ("group", "sound A"),
        ("slider", "Rating of sound C"),
        ("navigation", "Trials"),
    ]:
        assert page.get_by_role(role, name=name, exact=True).count() == 1, name
    slider = page.get_by_label("Rating of sound A")
    assert slider.get_attribute("aria-valuetext") == "listen first"
    page.keyboard.press("1")
    until(page, slider.is_enabled)
    slider.fill("61")
    assert slider.get_attribute("aria-valuetext") == "61, Good"
    assert page.evaluate("document.activeElement !== document.body")
    page = visit("smos")
    page.click("#start")
    question = "How similar is the voice to that of the prompt?"
    assert page.get_by_role("group", name=question).count() == 1
    assert page.get_by_role("radio", name="3 Moderately similar").count() == 1
    assert page.get_by_role("button", name="Play the prompt").count() == 1


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
