"""The tour runs from its first cell to its last, and prints what stands there."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOUR = ROOT / "docs/tour.md"
CELL = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.M | re.S)
DECIMAL = re.compile(r"\d+\.\d+")
TOLERANCE = 0.06
"""Of figures with a decimal point: other CPUs and versions round otherwise."""


def cells():
    return CELL.findall(TOUR.read_text(encoding="utf-8"))


def run(source, names):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, str(TOUR), "exec"), names)
    return printed.getvalue()


def agree(printed, shown):
    """Equal but for figures with a decimal point, and those about equal."""
    if DECIMAL.sub("#", printed) != DECIMAL.sub("#", shown):
        return False
    pairs = zip(DECIMAL.findall(printed), DECIMAL.findall(shown))
    return all(
        float(x) == pytest.approx(float(y), rel=TOLERANCE, abs=0.1) for x, y in pairs
    )


def test_each_cell_prints_what_the_page_shows(monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {}
    for source, shown in cells():
        printed = run(source, names)
        assert agree(printed, shown), f"{source}\nprints\n{printed}\nnot\n{shown}"


def test_there_are_ten_steps_with_a_cell_each():
    steps = re.split(r"^## ", TOUR.read_text(encoding="utf-8"), flags=re.M)[1:]
    assert [int(step.split(".")[0]) for step in steps] == list(range(1, 11))
    assert all(CELL.search(step) for step in steps)


def test_figures_may_differ_a_little_and_nothing_else_may():
    assert agree("1-3: 4.01 dB", "1-3: 4.10 dB")
    assert not agree("1-3: 4.01 dB", "1-3: 5.01 dB")
    assert not agree("1-3: 4.01 dB", "1-4: 4.01 dB")
    assert not agree("equal: False", "equal: True")


def test_layers_bring_the_speech_nearer():
    """What step 5 says, by the figures that it shows."""
    shown = "".join(text for _, text in cells())
    figures = [float(x) for x in re.findall(r"^\d layers: (\S+) dB", shown, re.M)]
    assert len(figures) == 8 and figures == sorted(figures, reverse=True)
