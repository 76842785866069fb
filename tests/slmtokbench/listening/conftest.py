"""Two systems, recordings and prompts of which listening tests are made."""

import json

import numpy as np
import pytest
import soundfile

from espnet_st.slmtokbench.listening.kinds import KINDS
from espnet_st.slmtokbench.listening.page import PageOptions, write_page
from espnet_st.slmtokbench.listening.plan import Materials, make_plan

ITEMS = [f"utt{i}" for i in range(5)]
SYSTEMS = {"SecretCodec": 0.3, "OtherCodec": 0.02}
RATE = 16000


def write_set(directory, level, rate=RATE, seconds=0.7):
    """A `wav.scp` of noise that swells, another for each utterance."""
    directory.mkdir(parents=True)
    lines = []
    for number, item in enumerate(ITEMS):
        length = round((seconds + 0.05 * number) * rate)
        noise = np.random.default_rng(number).uniform(-1, 1, length)
        wav = level * noise * np.sin(np.linspace(0, 9, length))
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
        {name: write_set(work / name, level) for name, level in SYSTEMS.items()},
        reference=write_set(work / "original", 0.1),
        prompts=write_set(work / "prompts", 0.1, rate=8000),
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
