"""Pictures: the pixels are the data, and the axes say what they are."""

import base64
import io
import re

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.image import imread

from espnet_st.demo.pictures import (
    CODE_COLOURS,
    COLUMNS,
    draw_codes,
    draw_spectrogram,
    draw_waveform,
    tick_step,
)


def pixels(html):
    data = re.search(r"data:image/png;base64,([^\"]+)", html)[1]
    return np.round(imread(io.BytesIO(base64.b64decode(data)))[..., :3] * 255)


def ticks(html, axis):
    part = re.search(rf'st-{axis}-ticks">(.*?)</div>', html)[1]
    found = re.findall(r":([\d.]+)%\">([^<]+)<", part)
    return {label: float(place) for place, label in found}


@pytest.mark.parametrize(
    "span, step", [(4.1, 1), (0.3, 0.1), (30, 10), (24, 5), (300, 100), (64, 20)]
)
def test_steps_of_axes_are_round_numbers(span, step):
    assert tick_step(span, 5) == pytest.approx(step)


def test_codes_are_colours_with_layer_one_on_top():
    codes = torch.tensor([[0, 15, 3], [7, 7, 1], [2, 0, 9]])
    html = draw_codes(codes, 16, 75.0)
    colours = matplotlib.colormaps[CODE_COLOURS](codes.numpy() / 15, bytes=True)
    assert np.array_equal(pixels(html), colours[..., :3])
    y = ticks(html, "y")
    assert list(y) == ["1", "2", "3"] and y["1"] == pytest.approx(100 * 5 / 6, abs=0.01)
    assert "layer against seconds" in html and "code 0" in html and ">15<" in html


def test_time_is_in_seconds():
    x = ticks(draw_codes(torch.zeros(2, 300, dtype=torch.long), 16, 75.0), "x")
    assert x == {"0": 0.0, "1": 25.0, "2": 50.0, "3": 75.0, "4": 100.0}


def test_many_layers_and_long_speech_stay_bounded():
    html = draw_codes(torch.zeros(32, 9000, dtype=torch.long), 16, 75.0)
    assert pixels(html).shape == (32, COLUMNS, 3)
    assert list(ticks(html, "y")) == ["1", "6", "11", "16", "21", "26", "31"]
    assert len(draw_waveform(torch.randn(10_000_000), 16000)) < 200_000


def test_a_waveform_fills_its_height():
    html = draw_waveform(torch.tensor([0.0, 0.5, -0.25, 0.0]), 4)
    assert 'points="0,-0.000 1,-1.000 2,0.500 3,-0.000 3,-0.000' in html
    assert list(ticks(html, "y")) == ["-0.5", "0", "0.5"]
    assert "amplitude against seconds" in html


def test_silence_has_a_flat_waveform():
    html = draw_waveform(torch.zeros(400), 16000)
    assert "nan" not in html and "inf" not in html


def test_a_spectrogram_has_high_channels_on_top():
    rate = 16000
    tone = torch.sin(2 * torch.pi * 6000 * torch.arange(rate) / rate)
    html = draw_spectrogram(tone, rate)
    rows = pixels(html).sum(axis=(1, 2))  # cividis grows brighter
    assert rows.argmax() < len(rows) // 4
    assert list(ticks(html, "y")) == ["0", "20", "40", "60"]
    assert "mel channel against seconds" in html and "0 dB" in html
