"""Two systems, recordings and prompts of which listening tests are made."""

import json

import numpy as np
import pytest
import soundfile
from browser import chromium
from listening_browser import EAR, PATIENCE

from espnet_st.slmtokbench.listening.kinds import KINDS
from espnet_st.slmtokbench.listening.page import PageOptions, write_page
from espnet_st.slmtokbench.listening.plan import Materials, make_plan

ITEMS = [f"utt{i}" for i in range(5)]
LEVELS = {"SecretCodec": 0.3, "OtherCodec": 0.02}
TONES = {"SecretCodec": 1000, "OtherCodec": 2000, "Groundtruth": 3000, "prompts": 500}
"""Hz by which one hears which sound is played."""

RATE = 16000


def write_set(directory, level, tone, rate=RATE, seconds=0.5):
    """A `wav.scp` of a tone in noise, another noise for each utterance."""
    directory.mkdir(parents=True)
    lines = []
    for number, item in enumerate(ITEMS):
        length = round((seconds + 0.05 * number) * rate)
        noise = np.random.default_rng(number).uniform(-1, 1, length)
        wave = np.sin(2 * np.pi * tone / rate * np.arange(length))
        wav = level * (0.1 * noise + wave)
        soundfile.write(directory / f"{item}.wav", wav, rate)
        lines.append(f"{item} {directory}/{item}.wav\n")
    (directory / "wav.scp").write_text("".join(lines))
    return directory / "wav.scp"


@pytest.fixture(scope="session")
def materials(tmp_path_factory):
    work = tmp_path_factory.mktemp("decoded")
    text = work / "text"
    text.write_text("".join(f"{item} words of <b>{item}</b>\n" for item in ITEMS))
    return Materials(
        {one: write_set(work / one, LEVELS[one], TONES[one]) for one in LEVELS},
        reference=write_set(work / "original", 0.1, TONES["Groundtruth"]),
        prompts=write_set(work / "prompts", 0.1, TONES["prompts"], rate=8000),
        text=text,
    )


@pytest.fixture(scope="session")
def pages(materials, tmp_path_factory):
    """Directory of pages with two items, and kind to page."""
    output = tmp_path_factory.mktemp("pages")
    options = PageOptions(send_to="Send it to <nobody>.")
    return {
        name: write_page(make_plan(kind, materials, 2, 0), output, options)
        for name, kind in KINDS.items()
    }


@pytest.fixture(scope="session")
def read_page():
    """Reads what a page's script reads."""

    def read(path):
        text = path.read_text().split('type="application/json">', 1)[1]
        return json.loads(text.split("</script>", 1)[0])

    return read


@pytest.fixture(scope="session")
def key_of():
    """Finds the key of a page."""
    return lambda page: page.parent / "keys" / f"{page.stem}.json"


@pytest.fixture
def make_key(tmp_path):
    """Writes a key of made-up sounds, and gives its file."""

    def make(kind="mushra", n_items=4, systems=("Groundtruth", "Good", "Bad")):
        items = [f"item{i}" for i in range(n_items)]
        sounds = {
            f"{number:016x}": {"system": system, "item": item, "source": "x.wav"}
            for number, (system, item) in enumerate(
                (system, item) for system in systems for item in items
            )
        }
        content = {"test": "t1", "kind": kind, "items": items, "sounds": sounds}
        path = tmp_path / "key.json"
        path.write_text(json.dumps(content | {"systems": list(systems)}))
        return path

    return make


@pytest.fixture
def answer(tmp_path):
    """Writes the answers of a rater: a rating for each (system, item number)."""

    def write(key_file, name, rate, finished="2026-01-01T00:00:00Z", **changes):
        key = json.loads(key_file.read_text())
        ratings = {
            sound: int(rate(one["system"], key["items"].index(one["item"])))
            for sound, one in key["sounds"].items()
        }
        content = {
            "format": "espnet-st listening answers",
            "version": 1,
            "test": key["test"],
            "kind": key["kind"],
            "session": f"session of {name}",
            "rater_id": "",
            "finished_at": finished,
            "ratings": ratings,
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content | changes))
        return path

    return write


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


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
