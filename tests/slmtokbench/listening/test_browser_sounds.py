"""What one hears and sees of a listening test in a browser."""

import pytest
from listening_browser import heard, heard_when_pressed, until, wide

from espnet_st.slmtokbench.listening.answers import read_key
from espnet_st.slmtokbench.listening.kinds import KINDS


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
    assert heard_when_pressed(page, 0) == ("prompt", ["Pause", "Play"])
    system = read_key(key_of(pages["smos"])).sounds[trial[0]][0]
    assert heard_when_pressed(page, 1) == (system, ["Play", "Pause"])
    page.click("#back")  # nor does it go on elsewhere
    assert heard(page) is None


def test_a_place_can_be_chosen(visit):
    page = visit("mos")
    page.click("#start")
    page.keyboard.press("Space")
    place = page.get_by_label("Place in the sound")
    until(page, place.is_enabled)
    until(page, lambda: page.inner_text("#trial .play") == "Play")  # to its end
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
