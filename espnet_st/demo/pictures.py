"""Pictures of speech and codes as HTML: an image stretched over labelled axes.

Axes are text of the page, so they stay readable on a phone and in dark mode, whatever
the width of the picture. Colour maps are those of matplotlib that colour-blind people
can read.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.image import imsave
from torch import Tensor

from espnet_st.demo.analysis import MEL_RANGE, envelope, log_mel

COLUMNS = 1500
"""Most columns of an image; a page has hardly more points."""
MEL_COLOURS, CODE_COLOURS = "cividis", "viridis"
ROW_HEIGHT, PLOT_HEIGHT = 1.25, 10.0
"""Heights in units of the page's text: a layer of codes, other plots."""
MOST_ROWS = 16
"""Layers that have a label each."""


def draw_waveform(wav: Tensor, sample_rate: int) -> str:
    """Draw samples (N,) against time."""
    low, high = envelope(wav, COLUMNS)
    peak = max(float(np.abs([low, high]).max()), 1e-4)
    points = [f"{x},{-y / peak:.3f}" for x, y in enumerate(high)]
    points += [f"{x},{-y / peak:.3f}" for x, y in reversed([*enumerate(low)])]
    content = (
        f'<svg viewBox="0 -1.02 {max(len(low) - 1, 1)} 2.04" '
        f'preserveAspectRatio="none"><polygon points="{" ".join(points)}"/></svg>'
    )
    ticks = {0.0: f"-{peak:.2g}", 0.5: "0", 1.0: f"{peak:.2g}"}
    seconds = len(wav) / sample_rate
    return _figure("Waveform", "", content, seconds, "amplitude", ticks, PLOT_HEIGHT)


def draw_spectrogram(wav: Tensor, sample_rate: int) -> str:
    """Draw the mel spectrogram of samples (N,)."""
    mel = log_mel(wav, sample_rate, COLUMNS)
    n_mels, seconds = len(mel), len(wav) / sample_rate
    step = tick_step(n_mels, 4)
    ticks = {(i + 0.5) / n_mels: f"{i:g}" for i in np.arange(0, n_mels, step)}
    content = _image(mel[::-1] / MEL_RANGE + 1.0, MEL_COLOURS)
    key = _key(MEL_COLOURS, f"-{MEL_RANGE:g} dB", "0 dB")
    title = "Mel spectrogram"
    return _figure(title, key, content, seconds, "mel channel", ticks, PLOT_HEIGHT)


def draw_codes(
    codes: Tensor, codebook_size: int, frame_rate: float, title: str = "Codes"
) -> str:
    """Draw codes (k, T), layer 1 on top, a colour for each number."""
    k, frames = codes.shape
    chosen = np.linspace(0, frames - 1, min(frames, COLUMNS)).round().astype(int)
    shades = codes.numpy()[:, chosen] / max(codebook_size - 1, 1)
    step = 1 if k <= MOST_ROWS else int(tick_step(k, 8))
    ticks = {1 - (i + 0.5) / k: str(i + 1) for i in range(0, k, step)}
    content = _image(shades, CODE_COLOURS)
    key = _key(CODE_COLOURS, "code 0", f"{codebook_size - 1}")
    height = ROW_HEIGHT * min(k, MOST_ROWS)
    return _figure(title, key, content, frames / frame_rate, "layer", ticks, height)


def tick_step(span: float, most: int) -> float:
    """Find the step of 1, 2 or 5 times a power of ten that gives up to `most` steps."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(n * power for n in (1, 2, 5, 10) if span / (n * power) <= most + 1e-9)


def _figure(
    title: str,
    key: str,
    content: str,
    seconds: float,
    y_label: str,
    y_ticks: Mapping[float, str],
    height: float,
) -> str:
    """Put axes around a plot.

    Args:
        title: What is drawn.
        key: HTML that explains the colours.
        content: HTML that fills the plot.
        seconds: Length of the time axis.
        y_label: What the other axis counts.
        y_ticks: Its labels at shares of the height, from the bottom.
        height: Of the plot, in units of the text.
    """
    step = tick_step(seconds, 5)
    places = [i * step for i in range(int(seconds / step + 1e-6) + 1)]
    x = "".join(
        f'<span style="left:{100 * place / seconds:.2f}%">{place:g}</span>'
        for place in places
    )
    y = "".join(
        f'<span style="bottom:{100 * place:.2f}%">{label}</span>'
        for place, label in y_ticks.items()
    )
    return (
        f'<figure class="st-figure"><figcaption>{title}{key}</figcaption>'
        f'<div class="st-axes"><div class="st-y-label">{y_label}</div>'
        f'<div class="st-y-ticks">{y}</div>'
        f'<div class="st-plot" style="height:{height:g}em" role="img" '
        f'aria-label="{title}: {y_label} against seconds">{content}</div>'
        f'<div class="st-x-ticks">{x}</div><div class="st-x-label">seconds</div>'
        "</div></figure>"
    )


def _image(shares: np.ndarray, colours: str) -> str:
    """Make an image of values (rows, columns) from 0 to 1, the first row on top."""
    pixels = matplotlib.colormaps[colours](shares, bytes=True)[..., :3]
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(pixels), format="png")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="" src="data:image/png;base64,{data}">'


def _key(colours: str, low: str, high: str) -> str:
    """Explain a colour map by a strip of it between its ends."""
    shades = matplotlib.colormaps[colours](np.linspace(0, 1, 9), bytes=True)[:, :3]
    stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in shades)
    return (
        f'<span class="st-key">{low}<i style="background:linear-gradient(to right, '
        f'{stops})"></i>{high}</span>'
    )
