"""Pages as files: blind, equally loud, the same again, of a bounded size."""

import base64
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from espnet_st.bin.listening_pages import main
from espnet_st.slmtokbench.listening.blinding import opaque_name, read_secret
from espnet_st.slmtokbench.listening.kinds import KINDS, MOS, MUSHRA
from espnet_st.slmtokbench.listening.loudness import integrated_loudness
from espnet_st.slmtokbench.listening.page import PageOptions, write_page
from espnet_st.slmtokbench.listening.plan import make_plan

NAMES = ("SecretCodec", "OtherCodec", "Groundtruth", "utt0", "utt4", "wav.scp")


def decode(address):
    head, data = address.split(",")
    assert head == "data:audio/flac;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("kind", KINDS)
def test_no_name_is_in_the_page_or_its_file_name(pages, kind, read_page, materials):
    page = pages[kind]
    test = read_page(page)
    texts = {one["text"] for one in test["about"].values()}
    source = page.read_text()
    for text in texts:
        assert text.startswith("words of")
        source = source.replace(json.dumps(text).replace("</", "<\\/"), "")
    for address in test["sounds"].values():
        source = source.replace(address, "")
        flac = base64.b64decode(address.split(",")[1])
        assert not any(name.encode() in flac for name in NAMES)
    for name in (*NAMES, str(materials.reference.parent.parent)):
        assert name not in source and name not in page.name
    assert "<nobody>" not in source.split("application/json")[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_says_whose_each_sound_is(pages, kind, read_page, key_of):
    test, key = read_page(pages[kind]), json.loads(key_of(pages[kind]).read_text())
    assert key["test"] == test["id"] and key["test"] in pages[kind].name
    assert set(key["sounds"]) == set(test["about"])
    pairs = {(one["system"], one["item"]) for one in key["sounds"].values()}
    assert len(pairs) == 3 * 2
    for row in test["rows"]:  # all raters rate all sounds
        assert sorted(sum(row, [])) == sorted(test["about"])
    for name, one in test["about"].items():
        item = key["sounds"][name]["item"]
        assert one["text"] == f"words of <b>{item}</b>"
        assert ("reference" in one, "prompt" in one) == (
            kind == "mushra",
            kind == "smos",
        )


@pytest.mark.parametrize("kind", KINDS)
def test_all_sounds_are_equally_loud_and_at_one_rate(pages, kind, read_page):
    test = read_page(pages[kind])
    for address in test["sounds"].values():
        wav, rate = decode(address)
        assert rate == 16000 and wav.ndim == 1
        assert integrated_loudness(wav, rate) == pytest.approx(-23.0, abs=0.5)


def test_sounds_of_a_trial_have_one_length(pages, read_page):
    test = read_page(pages["mushra"])
    for trial in test["rows"][0]:
        names = [*trial, test["about"][trial[0]]["reference"]]
        assert len({len(decode(test["sounds"][name])[0]) for name in names}) == 1
        assert all(test["mustHear"][name] <= 1.0 for name in names)


def test_a_sound_rated_alone_is_heard_to_its_end(pages, read_page):
    test = read_page(pages["mos"])
    for name in test["about"]:
        seconds = len(decode(test["sounds"][name])[0]) / 16000
        assert test["mustHear"][name] == pytest.approx(0.9 * seconds, abs=0.01)


def test_the_same_page_comes_again_and_another_secret_gives_others(
    materials, tmp_path, read_page
):
    plan = make_plan(MOS, materials, 1, 0)
    first = write_page(plan, tmp_path / "a", PageOptions())
    content = first.read_bytes()
    assert write_page(plan, tmp_path / "a", PageOptions()) == first
    assert first.read_bytes() == content
    other = write_page(plan, tmp_path / "b", PageOptions())
    names = [set(read_page(page)["about"]) for page in (first, other)]
    assert not names[0] & names[1] and first.name != other.name
    assert (tmp_path / "a/keys/secret").stat().st_mode & 0o777 == 0o600


def test_names_depend_on_every_part():
    names = {
        opaque_name(secret, *parts)
        for secret in (b"1", b"2")
        for parts in (("a", "b"), ("ab", ""), ("a", "c"), ("b", "a"))
    }
    assert len(names) == 8 and {len(name) for name in names} == {16}


@pytest.mark.parametrize(
    ("content", "message"),
    [("no hex", "hexadecimal"), ("00ff", "2 bytes; expected 32")],
)
def test_a_spoilt_secret_is_refused(tmp_path, content, message):
    (tmp_path / "secret").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_secret(tmp_path)


def test_a_page_that_is_too_large_says_what_would_fit(materials, tmp_path):
    plan = make_plan(MOS, materials, 5, 0)
    with pytest.raises(ValueError, match=r"5 items would take .* take [1-4] items"):
        write_page(plan, tmp_path, PageOptions(max_mb=0.15))
    with pytest.raises(ValueError, match="take shorter sounds, or allow more"):
        write_page(plan, tmp_path, PageOptions(max_mb=0.001))
    assert not list(tmp_path.glob("*.html"))


def altered(materials, tmp_path, change):
    """The materials with other samples in one file of one system."""
    directory = tmp_path / "altered"
    shutil.copytree(materials.systems["OtherCodec"].parent, directory)
    wav, rate = soundfile.read(directory / "utt0.wav")
    soundfile.write(directory / "utt0.wav", change(wav), rate)
    scp = (directory / "wav.scp").read_text()
    old = str(materials.systems["OtherCodec"].parent)
    (directory / "wav.scp").write_text(scp.replace(old, str(directory)))
    systems = materials.systems | {"OtherCodec": directory / "wav.scp"}
    return replace(materials, systems=systems)


def test_what_is_silent_stays_so_and_is_named(materials, tmp_path, caplog, key_of):
    silent = altered(materials, tmp_path, np.zeros_like)
    plan = make_plan(MUSHRA, silent, 5, 0)
    page = write_page(plan, tmp_path / "out", PageOptions())
    assert "OtherCodec utt0: silent" in caplog.text
    key = json.loads(key_of(page).read_text())
    assert key["exceptions"] == {"rated OtherCodec utt0": "silent: left as it is"}


def test_mushra_refuses_speech_of_another_length(materials, tmp_path):
    longer = altered(materials, tmp_path, lambda wav: np.tile(wav, 2))
    plan = make_plan(MUSHRA, longer, 5, 0)
    with pytest.raises(ValueError, match=r"OtherCodec: utt0 lasts 1.00 s.* 0.50 s;"):
        write_page(plan, tmp_path / "out", PageOptions())
    write_page(make_plan(MOS, longer, 5, 0), tmp_path / "out", PageOptions())


def test_a_few_samples_more_or_less_are_cut_or_padded(materials, tmp_path, read_page):
    shorter = altered(materials, tmp_path, lambda wav: wav[:-100])
    page = write_page(make_plan(MUSHRA, shorter, 5, 0), tmp_path / "o", PageOptions())
    test = read_page(page)
    for trial in test["rows"][0]:
        assert len({len(decode(test["sounds"][name])[0]) for name in trial}) == 1


@pytest.fixture
def table(materials, tmp_path):
    lines = [f"  {name}: {scp}\n" for name, scp in materials.systems.items()]
    path = tmp_path / "table.yaml"
    path.write_text(f"systems:\n{''.join(lines)}reference: {materials.reference}\n")
    return str(path)


def test_the_command_writes_what_can_be_made(table, tmp_path, capsys, caplog):
    out = tmp_path / "out"
    main(["--table", table, "--output_dir", str(out), "--items", "1"])
    made = sorted(path.name.split("-")[0] for path in out.glob("*.html"))
    assert made == ["mos", "mushra"]
    assert set(capsys.readouterr().out.split()) == set(map(str, out.glob("*.html")))
    assert "no smos page: SMOS needs prompts" in caplog.text


def test_the_command_refuses_what_was_asked_and_cannot_be_made(table, tmp_path):
    out = str(tmp_path / "out")
    with pytest.raises(ValueError, match="SMOS needs prompts"):
        main(["--table", table, "--output_dir", out, "--kind", "smos"])
    with pytest.raises(SystemExit):
        main(["--output_dir", out])
