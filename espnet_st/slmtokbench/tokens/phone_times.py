"""Are these phone times those of these codes?

Times in milliseconds or in frames, a file of another corpus and codes of another rate
all show in how long the phones last beside the codes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from espnet_st.data.kaldi import TimedPhone

LONGER, SLACK = 1.05, 0.25
"""Phones may end this times later than the codes, and this many seconds: a codec may
drop what fills no frame, and aligners round."""

SHORTER = 0.6
"""Phones that end before this share of all codes are not just silent at the end."""


def check_phone_times(
    seconds: Mapping[str, float], alignments: Mapping[str, Sequence[TimedPhone]]
) -> None:
    """Refuse phone times that are not of codes of these lengths.

    Args:
        seconds: Utterance id to how long its codes last; the utterances to check.
        alignments: Utterance id to its phones; one may have none.

    Raises:
        ValueError: If a time is no number or negative, the phones of an utterance end
            long after its codes, or all phones together long before all codes.
    """
    ended = {}
    for key in seconds:
        for phone in alignments[key]:
            if not (
                math.isfinite(phone.start)
                and math.isfinite(phone.duration)
                and phone.start >= 0
                and phone.duration >= 0
            ):
                raise ValueError(
                    f"phone {phone.phone} of {key} starts at {phone.start} and lasts "
                    f"{phone.duration}; expected seconds, not negative"
                )
        if alignments[key]:
            ended[key] = max(s.start + s.duration for s in alignments[key])
    late = [k for k, end in ended.items() if end > seconds[k] * LONGER + SLACK]
    if late:
        raise ValueError(
            f"phones end after the codes in {len(late)} of {len(seconds)} utterances: "
            f"those of {late[0]} at {ended[late[0]]:.2f}, its codes at "
            f"{seconds[late[0]]:.2f} s. Expected times in seconds of the same audio, "
            "and the frame rate of the codes."
        )
    phones, codes = sum(ended.values()), sum(seconds[key] for key in ended)
    if phones < SHORTER * codes:
        raise ValueError(
            f"phones end long before the codes: at {phones:.2f} s in sum, the codes at "
            f"{codes:.2f} s. Expected times in seconds of the same audio, and the "
            "frame rate of the codes."
        )
