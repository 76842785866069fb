"""Integrated loudness after ITU-R BS.1770-4, and gains that make sounds equally loud.

The recommendation gives its two filters for 48 kHz alone; for other rates they are made
of the analogue filters behind them, whose frequency, gain and quality are those with
which the bilinear transform gives its coefficients at 48 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.signal import lfilter

BLOCK, STEP = 0.4, 0.1
"""Seconds of a gating block, and from one to the next."""

ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0
"""LUFS; LU relative to the loudness of what passes the absolute gate."""

OFFSET = -0.691
"""What a sine of 997 Hz is louder through the filters, in dB."""

HEADROOM = 10.0 ** (-1.0 / 20)
"""No sample is made larger: -1 dB of full scale."""

LOWEST = 10.0
"""LU by which a whole test may be made quieter than asked for the sake of one sound."""


def _biquads(sample_rate: int) -> list[tuple[list[float], list[float]]]:
    """Give numerators and denominators of the high shelf and the high pass."""
    k = math.tan(math.pi * 1681.974450955533 / sample_rate)
    quality, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / quality + k * k
    shelf = (
        [
            (high + band * k / quality + k * k) / a0,
            2 * (k * k - high) / a0,
            (high - band * k / quality + k * k) / a0,
        ],
        [1.0, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0],
    )
    k = math.tan(math.pi * 38.13547087602444 / sample_rate)
    quality = 0.5003270373238773
    a0 = 1 + k / quality + k * k
    high_pass = (
        [1.0, -2.0, 1.0],
        [1.0, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0],
    )
    return [shelf, high_pass]


def integrated_loudness(wav: np.ndarray, sample_rate: int) -> float:
    """Measure the loudness of one channel, gated.

    Args:
        wav: Samples (N,). What is shorter than a block is one block.
        sample_rate: Hz.

    Returns:
        LUFS; minus infinity if nothing passes the absolute gate.
    """
    weighted = np.asarray(wav, dtype=np.float64)
    for numerator, denominator in _biquads(sample_rate):
        weighted = lfilter(numerator, denominator, weighted)
    length = min(round(BLOCK * sample_rate), len(weighted))
    step = round(STEP * sample_rate)
    sums = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, len(weighted) - length + 1, step)
    powers = (sums[starts + length] - sums[starts]) / length
    powers = powers[_lufs(powers) > ABSOLUTE_GATE]
    if not len(powers):
        return -math.inf
    gate = float(_lufs(powers.mean())) + RELATIVE_GATE
    return float(_lufs(powers[_lufs(powers) > gate].mean()))


def _lufs(power: np.ndarray) -> np.ndarray:
    return OFFSET + 10 * np.log10(np.maximum(power, 1e-20))


def matching_gains(
    sounds: Mapping[str, np.ndarray], sample_rate: int, target: float
) -> tuple[dict[str, float], float, dict[str, str]]:
    """Compute factors that make sounds equally loud without clipping.

    Where a peak forbids the target, all sounds are made quieter, by at most `LOWEST`;
    what even then would clip stays quieter than the others.

    Args:
        sounds: Name to samples (N,), all at one rate.
        sample_rate: Hz.
        target: LUFS.

    Returns:
        Name to factor; the loudness reached; and the names of sounds that do not reach
        it, silent ones (factor 1) among them, with the reason.
    """
    loudness, limits = {}, {}
    for name, wav in sounds.items():
        loudness[name] = integrated_loudness(wav, sample_rate)
        if math.isfinite(loudness[name]):
            peak = float(np.abs(wav).max())
            limits[name] = loudness[name] + 20 * math.log10(HEADROOM / peak)
    reached = max(min([target, *limits.values()]), target - LOWEST)
    gains, exceptions = {}, {}
    for name in sounds:
        if name not in limits:
            gains[name], exceptions[name] = 1.0, "silent: left as it is"
            continue
        level = min(reached, limits[name])
        gains[name] = 10 ** ((level - loudness[name]) / 20)
        if level < reached:
            exceptions[name] = (
                f"its peaks keep it {reached - level:.1f} LU quieter than the others"
            )
    return gains, reached, exceptions
