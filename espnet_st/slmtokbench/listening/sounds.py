"""The sounds of a test: at one rate, equally loud, as FLAC in data addresses."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import soundfile

from espnet_st.data.audio import audio_size, load_audio
from espnet_st.slmtokbench.listening.loudness import matching_gains
from espnet_st.slmtokbench.listening.plan import Plan

RATED, REFERENCE, PROMPT, VOLUME = "rated", "reference", "prompt", "volume"
TOLERANCE = 0.2
"""Seconds by which a sound may be longer or shorter than MUSHRA's reference."""

Name = tuple[str, str, str]
"""What a sound is: one of the roles above, the system's label or "", the item or ""."""


@dataclass(frozen=True)
class Sound:
    """Hold a sound as pages play it: FLAC, and its length in seconds."""

    flac: bytes
    seconds: float

    @property
    def address(self) -> str:
        """Return the sound as a data address."""
        return "data:audio/flac;base64," + base64.b64encode(self.flac).decode()


@dataclass(frozen=True)
class Sounds:
    """Hold all sounds of a test.

    Attributes:
        sounds: By name.
        loudness: LUFS that they have.
        exceptions: Names of those that have not, with the reason.
    """

    sounds: dict[Name, Sound]
    loudness: float
    exceptions: dict[Name, str]


def load_sounds(plan: Plan, target: float) -> Sounds:
    """Load what a test lets one hear.

    Sounds are brought to the highest rate among them, and to one loudness; those of a
    MUSHRA trial to one length, for they are switched while they play.

    Args:
        plan: Of the test.
        target: LUFS, see `matching_gains`.

    Raises:
        ValueError: If audio cannot be read, or is not as long as its reference.
    """
    sources = {
        (RATED, label, item): source
        for label, table in plan.systems.items()
        for item, source in table.items()
    }
    sources |= {(REFERENCE, "", item): one for item, one in plan.references.items()}
    sources |= {(PROMPT, "", item): one for item, one in plan.prompts.items()}
    sources[VOLUME, "", ""] = plan.volume
    rate = max(audio_size(source)[1] for source in sources.values())
    wavs = {
        name: load_audio(source, rate).numpy().astype(np.float64)
        for name, source in sources.items()
    }
    texts = {"/".join(filter(None, name)): name for name in wavs}
    gains, reached, exceptions = matching_gains(
        {text: wavs[name] for text, name in texts.items()}, rate, target
    )
    for text, name in texts.items():
        wavs[name] = wavs[name] * gains[text]
    for item in plan.references:
        _match_lengths(item, plan, wavs, rate)
    return Sounds(
        {name: Sound(_flac(wav, rate), len(wav) / rate) for name, wav in wavs.items()},
        reached,
        {texts[text]: reason for text, reason in exceptions.items()},
    )


def _match_lengths(
    item: str, plan: Plan, wavs: dict[Name, np.ndarray], rate: int
) -> None:
    """Cut or pad an item's sounds to the length of its reference.

    Raises:
        ValueError: If one differs by more than `TOLERANCE`.
    """
    length = len(wavs[REFERENCE, "", item])
    for label in plan.systems:
        wav = wavs[RATED, label, item]
        if abs(len(wav) - length) > TOLERANCE * rate:
            raise ValueError(
                f"{label}: {item} lasts {len(wav) / rate:.2f} s and its reference "
                f"{length / rate:.2f} s; MUSHRA switches between them while they play: "
                "expected the same speech, e.g. resynthesized"
            )
        wavs[RATED, label, item] = np.pad(wav, (0, max(0, length - len(wav))))[:length]


def _flac(wav: np.ndarray, rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wav.clip(-1.0, 1.0), rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
