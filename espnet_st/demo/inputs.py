"""What people bring to the page, checked, with sentences that help where it fails."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from espnet_st.data.audio import SILENT, audio_size, load_audio

SHORTEST = 0.1
"""Seconds below which there is nothing to hear in layers."""
MEGABYTE = 2**20
"""Bytes, as gradio counts them in its own message."""


@dataclass(frozen=True)
class Limits:
    """Bounds of what the page takes.

    Attributes:
        seconds: Longest speech.
        megabytes: Largest file.
        characters: Longest text.
    """

    seconds: float = 30.0
    megabytes: float = 20.0
    characters: int = 300

    def check(self) -> None:
        """Refuse limits that leave nothing.

        Raises:
            ValueError: If one is, with its name.
        """
        if not self.seconds > SHORTEST:
            raise ValueError(
                f"max_seconds is {self.seconds:g}: give more than {SHORTEST:g}"
            )
        for name in ("megabytes", "characters"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"max_{name} is {getattr(self, name):g}: give more than 0"
                )


def read_speech(
    path: str | None, sample_rate: int, limits: Limits, what: str = "speech"
) -> Tensor:
    """Read speech that somebody recorded or uploaded.

    Args:
        path: The file; None if there is none yet.
        sample_rate: Hz of the result.
        limits: What is taken.
        what: What the speech is to the page, to name it where it is missing.

    Returns:
        (N,) float32, mono.

    Raises:
        ValueError: If there is none, or it is too large, too long, too short, silent
            or cannot be read; a sentence to show as it is.
    """
    if path is None:
        raise ValueError(f"There is no {what} yet: record it, or drop a file.")
    name, size = Path(path).name, Path(path).stat().st_size
    if size == 0:
        raise ValueError(f"{name} is empty: record again, or drop another file.")
    if size > limits.megabytes * MEGABYTE:
        raise ValueError(
            f"{name} has {size / MEGABYTE:.1f} MB; this page takes up to "
            f"{limits.megabytes:g} MB: cut the file, or save it as FLAC."
        )
    try:
        n_samples, file_rate = audio_size(path)
    except ValueError as error:
        # libsndfile's own words may mislead; ours tell a cut file.
        ours = isinstance(error.__cause__, ValueError)
        detail = f" ({error.__cause__})" if ours else ""
        raise ValueError(
            f"{name} cannot be read as audio{detail}: it is damaged, or of another "
            "kind; drop a whole WAV, FLAC, OGG or MP3 file."
        ) from error
    seconds = n_samples / file_rate
    if seconds > limits.seconds:
        raise ValueError(
            f"{name} lasts {seconds:.1f} seconds; this page takes up to "
            f"{limits.seconds:g}: trim it with the scissors, or drop a shorter file."
        )
    if seconds < SHORTEST:
        raise ValueError(
            f"{name} lasts {seconds:.2f} seconds: give at least {SHORTEST:g}, better "
            "some seconds of speech."
        )
    try:
        wav = load_audio(path, sample_rate)
    except ValueError as error:
        cause = str(error.__cause__ or error).replace(path, name).rstrip(".")
        raise ValueError(f"{name} cannot be used: {cause}.") from error
    if float(wav.abs().max()) < SILENT:
        raise ValueError(
            f"{name} is silent: check the microphone and its volume, or drop another "
            "file."
        )
    return wav


def check_text(text: str, limits: Limits, what: str = "text") -> str:
    """Give a text without space around it.

    Args:
        text: What somebody typed.
        limits: What is taken.
        what: What the text is to the page.

    Raises:
        ValueError: If it is empty or too long; a sentence to show as it is.
    """
    text = text.strip()
    if not text:
        raise ValueError(f"There is no {what} yet: type some words.")
    if len(text) > limits.characters:
        raise ValueError(
            f"The {what} has {len(text)} characters; this page takes up to "
            f"{limits.characters}: shorten it."
        )
    return text
