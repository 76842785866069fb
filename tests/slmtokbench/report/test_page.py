"""The report: its HTML, and what a browser makes of it.

The browser tests need playwright and a Chromium: Debian's, or what the environment
variable CHROMIUM names.
"""

import re

import numpy as np
import pytest
import soundfile
from browser import chromium

from espnet_st.slmtokbench.report.page import Card, Picture, Section, render_report
from espnet_st.slmtokbench.report.plots import plot_voices
from espnet_st.slmtokbench.report.tables import Table

RATE = 16000
MINUTES = 240_000
"""Milliseconds that a busy machine may take for anything."""
WORDS = "a sentence that is long enough to be broken over several lines"
SCORES = Table(
    "Scores",
    ("Tokenizer", "WER % ↓", "SIM ↑", "Paper: WER % ↓"),
    [
        ("A", "11.3 (8.4–14.5)", "0.70", "9.57"),
        ("B", "9.8 (7.0–12.0)", "\u22120.10", "-"),
        ("C", "not scored", "0.05", "38.34"),
        ("D", "100.0 (90.0–110.0)", "0.90", "-"),
    ],
    ["A note."],
)
VERDICTS = Table(
    "Verdicts",
    ("Ordering", "The paper claims", "Verdict"),
    [
        ("a", WORDS, "held"),
        ("b", WORDS, "not held"),
        ("c", WORDS, "undecided (one seed)"),
        ("d", WORDS, "not measured"),
    ],
)

FOLDED = Table("More", ("Claim", "Verdict"), [("x above y", "held")])


def make_page(folder):
    rng = np.random.default_rng(0)
    wavs = []
    for index in range(3):
        wav = folder / f"{index}.wav"
        soundfile.write(wav, 0.1 * rng.standard_normal(3 * RATE), RATE)
        wavs.append(wav)
    pictures = []
    for index in range(2):
        png = folder / f"{index}.png"
        voices = {"RVQ-1": rng.random((6, 4)), "RVQ-2:8": rng.random((6, 4))}
        plot_voices(voices, ["ann", "bob"] * 3, index, png)
        pictures.append(png)
    return render_report(
        "Results of <A> & B",
        "A summary.",
        {"date": "today"},
        [
            Section("Orderings", "What holds.", tables=[VERDICTS]),
            Section(
                "Speech",
                notes=["To know."],
                tables=[SCORES],
                folded=[FOLDED],
                figures=[
                    Picture("First", pictures[0], "Two panels"),
                    ("Second", pictures[1]),
                ],
                cards=[
                    Card("hello <you>", "utt-1", dict(zip("xyz", wavs))),
                    Card("", "utt-2", {"x": wavs[0]}),
                ],
            ),
            Section("Speech", tables=[]),
        ],
        "seed: 0\n",
    )


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path = folder / "report.html"
    path.write_text(make_page(folder), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser, page_file):
    """A visit on a phone; what the browser asked for, and what it complained of."""
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
    page.goto(page_file.as_uri())
    yield page
    others = [url for url in page.asked if not url.startswith(("data:", "file:"))]
    assert others == [] and page.complaints == []
    assert sum(url.startswith("file:") for url in page.asked) == 1
    context.close()


def test_what_users_wrote_is_escaped_and_nothing_is_fetched(page_file):
    text = page_file.read_text(encoding="utf-8")
    assert "<A>" not in text and "&lt;A&gt; &amp; B" in text
    assert "<you>" not in text
    assert "default-src &#x27;none&#x27;" in text
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources and all(one.startswith(("data:", "#")) for one in sources)
    names = re.findall(r' id="([^"]*)"', text)
    assert len(names) == len(set(names))
    assert {"orderings", "speech", "speech-2", "configuration"} <= set(names)
    assert all(one[1:] in names for one in sources if one.startswith("#"))
    assert re.search(r"one file of \d+\.\d MB", text)


def column(page, table, index):
    rows = page.locator(f"table:has(caption:text-is('{table}')) tbody tr")
    return rows.evaluate_all(
        "(rows, i) => rows.map(row => row.cells[i].textContent)", index
    )


def test_tables_are_sorted_by_click_and_by_key(visit):
    heads = visit.locator("table:has(caption:text-is('Scores')) thead th")
    assert [heads.nth(i).get_attribute("aria-sort") for i in range(4)] == ["none"] * 4
    wer = heads.nth(1).get_by_role("button")
    wer.click()
    assert column(visit, "Scores", 0) == ["B", "A", "D", "C"]
    assert heads.nth(1).get_attribute("aria-sort") == "ascending"
    wer.press("Enter")
    assert column(visit, "Scores", 0) == ["D", "A", "B", "C"]  # what has no score: last
    assert heads.nth(1).get_attribute("aria-sort") == "descending"
    wer.press("Space")
    assert column(visit, "Scores", 0) == ["A", "B", "C", "D"]
    assert heads.nth(1).get_attribute("aria-sort") == "none"
    heads.nth(2).get_by_role("button").click()
    assert column(visit, "Scores", 2) == ["\u22120.10", "0.05", "0.70", "0.90"]
    heads.nth(0).get_by_role("button").click()
    assert heads.nth(2).get_attribute("aria-sort") == "none"


def test_a_folded_table_is_shown_when_it_is_asked_for(visit):
    table = visit.get_by_role("table", name="More")
    assert table.count() == 0
    visit.get_by_text("More", exact=True).first.click()
    assert table.count() == 1
    # Colours are not all that tells a verdict.
    assert table.get_by_role("cell").inner_text() == "✓ held"


def test_one_player_plays_at_a_time(visit):
    players = visit.locator("audio")
    assert players.count() == 4
    labels = players.evaluate_all("all => all.map(one => one.ariaLabel)")
    assert labels == ["x: hello <you>", "y: hello <you>", "z: hello <you>", "x: utt-2"]
    for index in (0, 3, 1):
        players.nth(index).evaluate("one => { one.muted = true; return one.play() }")
        visit.wait_for_function(
            "i => document.querySelectorAll('audio')[i].currentTime > 0.05", arg=index
        )
        paused = players.evaluate_all("all => all.map(one => one.paused)")
        assert paused == [other != index for other in range(4)]
    lengths = players.evaluate_all("all => all.slice(0, 2).map(one => one.duration)")
    assert lengths == pytest.approx([3, 3], abs=1e-3)


def test_figures_are_enlarged_and_left_by_key(visit):
    first, second = (visit.locator(".picture button").nth(i) for i in (0, 1))
    dialog = visit.get_by_role("dialog")
    first.focus()
    visit.keyboard.press("Enter")
    assert dialog.is_visible()
    image = dialog.locator("img")
    assert image.get_attribute("alt") == "Two panels"
    assert dialog.locator("p").inner_text() == "First"
    assert image.bounding_box()["width"] > first.bounding_box()["width"]
    visit.keyboard.press("ArrowRight")
    assert image.get_attribute("alt") == "Second"
    visit.keyboard.press("ArrowRight")
    assert image.get_attribute("alt") == "Two panels"
    dialog.get_by_role("button", name="Previous figure").click()
    assert image.get_attribute("alt") == "Second"
    visit.keyboard.press("Escape")
    assert dialog.count() == 0
    assert second.evaluate("one => one === document.activeElement")
    first.click()
    visit.get_by_role("button", name="Close").click()
    assert dialog.count() == 0
    first.click()
    visit.mouse.click(2, 2)  # beside it
    assert dialog.count() == 0


@pytest.mark.parametrize("width", [320, 390, 900, 1400])
def test_nothing_is_wider_than_the_screen(visit, width):
    visit.set_viewport_size({"width": width, "height": 800})
    assert visit.evaluate("document.documentElement.scrollWidth") == width


def test_a_screen_reader_finds_its_way(visit):
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert visit.get_by_role(role).count() == 1
    assert visit.get_by_role("heading", level=1).count() == 1
    table = visit.get_by_role("table", name="Scores")
    assert table.get_by_role("columnheader").count() == 4
    assert table.get_by_role("rowheader").all_inner_texts() == ["A", "B", "C", "D"]
    assert table.get_by_role("cell").count() == 12
    # Also where a phone shows rows as blocks.
    prose = visit.get_by_role("table", name="Verdicts")
    assert prose.evaluate("one => getComputedStyle(one).display") == "block"
    assert prose.get_by_role("rowheader").count() == 4
    assert prose.get_by_role("cell").count() == 8
    for region in ("Orderings", "Scores"):
        assert visit.get_by_role("region", name=region, exact=True).count() == 1
    visit.keyboard.press("Tab")
    assert visit.evaluate("document.activeElement.textContent") == (
        "Skip to the results"
    )


CONTRAST = """all => all.map(one => {
    const parts = text => text.match(/[\\d.]+/g).map(Number);
    const light = rgb => rgb.slice(0, 3).map(v => v / 255).map(
        v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
    ).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    let below = one;
    const solid = e => { const p = parts(getComputedStyle(e).backgroundColor);
        return p.length < 4 || p[3] > 0 };
    while (!solid(below)) below = below.parentElement;
    const [a, b] = [getComputedStyle(one).color,
        getComputedStyle(below).backgroundColor].map(c => light(parts(c)));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, scheme):
    visit.emulate_media(color_scheme=scheme)
    dark = visit.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == (scheme == "light")
    texts = "p, a, h1, h2, th, td, caption, .verdict, figcaption, summary, li, pre"
    ratios = visit.locator(texts).evaluate_all(CONTRAST)
    assert len(ratios) > 50 and min(ratios) >= 4.5


def test_on_paper_there_is_what_can_be_read(visit):
    visit.emulate_media(media="print")
    assert not visit.get_by_role("navigation").is_visible()
    assert not visit.locator("audio").first.is_visible()
    assert visit.get_by_role("table", name="Scores").is_visible()
