"""What tests do with a listening test in a browser."""

import time

PATIENCE = 120_000
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
    *prompt, sound = page.locator("#trial .play").all()
    for player in prompt:
        player.click()
        until(page, lambda: "prompt" not in todo(page))
    sound.click()
    until(page, page.get_by_role("radio").first.is_enabled)
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


def tab_to(page, selector):
    for _ in range(40):
        if page.evaluate("one => document.activeElement.matches(one)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {selector} by the key Tab")


def nearest(tone):
    """Name what has a tone: a system, the prompt, or None for silence."""
    return tone and min(TONES.items(), key=lambda one: abs(one[0] - tone))[1]


def heard(page):
    """Say what sounds."""
    page.wait_for_timeout(120)
    return nearest(page.evaluate("listen()"))


def heard_when_pressed(page, number):
    """Press a player of the trial; say what sounds then, and the players' words.

    It is found out within the page: a short sound may be over before one asks.
    """
    tone, words = page.evaluate(
        """async (number) => {
            const players = [...document.querySelectorAll('#trial .play')];
            const pause = () => new Promise((go) => setTimeout(go, 10));
            players[number].click();
            while (players[number].textContent !== 'Pause') await pause();
            for (let turn = 0; turn < 12; turn += 1) await pause();
            return [listen(), players.map((one) => one.textContent)];
        }""",
        number,
    )
    return nearest(tone), words
