"""The served page, in a browser and through gradio's client.

They need gradio (`pip install .[demo]`), playwright and a Chromium: Debian's, or what
the environment variable CHROMIUM names.
"""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("gradio", reason="the page needs gradio: pip install .[demo]")

from browser import chromium
from demo_server import TRAINED, Server

VOICES = [str(TRAINED / f"prompts/{name}-test-0000.flac") for name in ("espf", "rmsx")]
MINUTES = 120_000
"""Milliseconds that a busy machine may take for anything."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    work = tmp_path_factory.mktemp("page")
    uslm = str(TRAINED / "uslm.zip")
    with Server(work, "--uslm", uslm, "--max_seconds", "6") as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    with chromium(
        # The microphone hears the first voice, again and again.
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
    ) as browser:
        yield browser


@pytest.fixture(scope="module")
def visit(server, browser):
    """A visit to the page; what the browser asked for, and what it complained of."""
    context = browser.new_context(viewport={"width": 390, "height": 800})
    context.set_default_timeout(MINUTES)
    page = context.new_page()
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on(
        "console",
        lambda one: page.complaints.append(one.text) if one.type == "error" else None,
    )
    page.goto(server.url)
    page.wait_for_selector("#speech input[type=file]", state="attached")
    yield page
    context.close()


def give(page, place, file):
    """Drop a file on a place; what was there is cleared first."""
    clear = page.locator(f"#{place} button[aria-label=Clear]")
    if clear.count():
        clear.first.click()
    page.wait_for_selector(f"#{place} input[type=file]", state="attached")
    page.set_input_files(f"#{place} input[type=file]", file)


def titles(page, place):
    return page.locator(f"#{place} audio").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-label'))"
    )


def test_dropped_speech_is_analysed_and_every_layer_can_be_played(visit):
    give(visit, "speech", VOICES[0])
    visit.wait_for_selector("#layers audio")
    assert titles(visit, "layers") == [
        "original", "layer 1", *(f"layers 1:{k}" for k in range(2, 9)),
        "layers 2:8 alone",
    ]  # fmt: skip
    lengths = visit.locator("#layers audio").evaluate_all(
        """all => Promise.all(all.map(one => one.duration ||
            new Promise(f => one.onloadedmetadata = () => f(one.duration))))"""
    )
    assert lengths == pytest.approx([soundfile.info(VOICES[0]).duration] * 10, abs=1e-3)
    first, second = (visit.locator("#layers audio").nth(i) for i in (1, 2))
    first.evaluate("one => { one.muted = true; return one.play() }")
    visit.wait_for_function(
        "document.querySelectorAll('#layers audio')[1].currentTime > 0.1"
    )
    # Another one takes over.
    second.evaluate("one => { one.muted = true; return one.play() }")
    visit.wait_for_function("document.querySelectorAll('#layers audio')[1].paused")
    second.evaluate("one => one.pause()")
    pictures = visit.locator("#layers .st-plot")
    assert pictures.count() == 3
    assert all(pictures.nth(i).bounding_box()["width"] > 200 for i in range(3))


def test_nothing_is_wider_than_a_phone(visit):
    width = visit.evaluate("document.documentElement.scrollWidth")
    assert width == visit.viewport_size["width"]


def test_layers_of_a_second_voice(visit):
    visit.get_by_role("tab", name="Swap voices").click()
    visit.click("#swap")
    notice = visit.wait_for_selector("#swapped .st-problem")
    assert "no second voice yet: record it, or drop a file" in notice.inner_text()
    give(visit, "voice", VOICES[1])
    visit.wait_for_selector("#voice button[aria-label=Clear]")
    visit.click("#swap")
    visit.wait_for_selector("#swapped audio")
    assert titles(visit, "swapped")[2:] == [
        "no layer swapped", "layer 2 swapped",
        *(f"layers 2:{k} swapped" for k in range(3, 9)),
        "layers 2:8 predicted by the USLM",
    ]  # fmt: skip


def test_a_text_is_spoken(visit):
    visit.get_by_role("tab", name="Speak", exact=True).click()
    visit.click("#speak")
    notice = visit.wait_for_selector("#spoken .st-problem")
    assert "no text yet: type some words" in notice.inner_text()
    typed = "Why is <b>{{x}}</b> мир so busy?"
    visit.fill("#text textarea", typed)
    visit.click("#speak")
    visit.wait_for_selector("#spoken audio")
    assert titles(visit, "spoken") == [typed, "the voice"]
    assert "does not read" in visit.inner_text("#spoken .st-hint")


def test_the_page_asked_nothing_of_others_and_had_no_error(visit, server):
    assert len(visit.asked) > 10
    others = [
        url
        for url in visit.asked
        if not url.startswith((server.url, "data:", f"blob:{server.url}"))
    ]
    assert others == []
    assert visit.complaints == []


def test_a_recording_is_analysed(visit):
    visit.get_by_role("tab", name="Layers").click()
    visit.locator("#speech button[aria-label=Clear]").first.click()
    visit.wait_for_selector("#layers .st-hint")
    visit.locator("#speech button[aria-label='Record audio']").click()
    visit.locator("#speech button.record-button").click()
    visit.wait_for_timeout(1500)
    visit.locator("#speech button.stop-button").click()
    visit.wait_for_selector("#layers audio, #layers .st-problem")
    assert titles(visit, "layers")[:2] == ["original", "layer 1"]
    assert visit.complaints == []
    visit.locator("#speech button[aria-label='Upload file']").click()


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("noise.wav", bytes(range(256)) * 40, "cannot be read as audio"),
        ("empty.wav", b"", "empty.wav is empty"),
        ("silent.wav", np.zeros(16000), "silent.wav is silent"),
        ("long.wav", np.full(100_000, 0.1), "lasts 6.2 seconds; this page takes up"),
    ],
)
def test_a_file_that_cannot_be_used_gets_a_sentence(
    visit, tmp_path, name, content, sentence
):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        soundfile.write(path, content, 16000)
    give(visit, "speech", str(path))
    notice = visit.wait_for_selector(f"#layers .st-problem:has-text('{name}')")
    assert sentence in notice.inner_text()
    assert visit.locator("#layers audio").count() == 0
    assert "Traceback" not in visit.content()


def test_gradios_client_gets_the_same_answers(server):
    client = pytest.importorskip("gradio_client")
    page = client.Client(server.url, verbose=False, analytics_enabled=False)
    answer = page.predict(client.handle_file(VOICES[0]), api_name="/analyse")
    assert len(re.findall("<audio ", answer)) == 10
    answer = page.predict("", client.handle_file(VOICES[0]), "", 1, api_name="/speak")
    assert "There is no text yet: type some words." in answer


def test_the_server_asked_nothing_of_others_and_leaves_nothing(server):
    assert [path.name for path in server.temporary.iterdir()] != []
    assert server.stop() == 0
    log = server.log.read_text()
    assert "Traceback" not in log, log
    asked = set(server.connections.read_text().split("\n")) - {""}
    assert "('127.0.0.1', 9)" in asked  # the watcher's own, so it watches
    mine = ("('127.0.0.1', ", "127.0.0.1", "('::1', ", "localhost", "None", "/")
    assert [one for one in asked if not one.startswith(mine)] == []
    left = [path for path in Path(server.temporary).rglob("*") if path.is_file()]
    assert left == []


@pytest.fixture
def built(actions):
    """The page on a codec without a USLM."""
    from espnet_st.demo.page import build_page

    return build_page(actions, ["codec mine"])


def test_without_a_uslm_the_page_says_how_to_give_one(built):
    parts = built.get_config_file()["components"]
    shown = [str(one["props"].get("value")) for one in parts]
    assert any("--uslm exp/uslm_mini" in one for one in shown)
    assert "Speak" not in shown and "Swap layers" in shown


def test_a_model_does_one_thing_at_a_time(built):
    jobs = [one for one in built.fns.values() if one.api_name in ("analyse", "convert")]
    assert len(jobs) == 2
    assert {(one.concurrency_id, one.concurrency_limit) for one in jobs} == {
        ("models", 1)
    }
