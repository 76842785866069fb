"""Reading the sample rates that ESPnet's recipes hand to what is plugged in."""

from __future__ import annotations

import humanfriendly


def parse_rate(fs: int | str) -> int:
    """Read a rate in Hz, a number or as in `16k`.

    Raises:
        ValueError: If it is no rate.
    """
    try:
        rate = humanfriendly.parse_size(str(fs))
    except humanfriendly.InvalidSize:
        rate = 0
    if rate < 1:
        raise ValueError(
            f"fs is {fs!r}; expected the waveforms' rate in Hz, as 16000 or 16k"
        )
    return rate
