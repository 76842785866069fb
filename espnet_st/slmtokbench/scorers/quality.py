"""Quality of resynthesis against the original: STOI, PESQ, ViSQOL.

The two signals are cut to the shorter one; nothing else is aligned.
"""

from __future__ import annotations

import warnings

import numpy as np

from espnet_st.data.audio import load_audio
from espnet_st.slmtokbench.scorers.base import SAMPLE_RATE, Item, NotScored


def trim_to_shorter(
    original: np.ndarray, degraded: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cut two signals (N,) to their common length.

    Raises:
        ValueError: one is silent over that length: such scores mean nothing.
    """
    length = min(len(original), len(degraded))
    original, degraded = original[:length], degraded[:length]
    for name, wav in (("original", original), ("resynthesis", degraded)):
        if not np.any(wav):
            raise ValueError(f"the {name} is silent")
    return original, degraded


class _Comparison:
    """Reads the two files of an item and hands them, trimmed, to `compare`."""

    def measure(self, item: Item) -> float:
        """Score one file against its original."""
        original, degraded = trim_to_shorter(
            load_audio(item.reference, SAMPLE_RATE).numpy(),
            load_audio(item.wav, SAMPLE_RATE).numpy(),
        )
        return round(self.compare(original, degraded), 4)

    def compare(self, original: np.ndarray, degraded: np.ndarray) -> float:
        """Score two signals (N,) of equal length at 16 kHz."""
        raise NotImplementedError


class Stoi(_Comparison):
    """Short-time objective intelligibility, up to 1."""

    name = "stoi"

    def __init__(self):
        try:
            from pystoi import stoi
        except ImportError as error:
            raise NotScored(f"pystoi is not installed ({error})") from error
        self.stoi = stoi

    def compare(self, original: np.ndarray, degraded: np.ndarray) -> float:
        """Score two signals; too little speech is an error, not pystoi's 1e-5."""
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Not enough STFT frames")
            try:
                return float(self.stoi(original, degraded, SAMPLE_RATE))
            except RuntimeWarning as error:
                raise ValueError("too little speech for STOI") from error


class Pesq(_Comparison):
    """Wide-band PESQ (P.862.2), 1.04 to 4.64."""

    name = "pesq"

    def __init__(self):
        try:
            import pesq
        except ImportError as error:
            raise NotScored(f"pesq is not installed ({error})") from error
        self.module = pesq

    def compare(self, original: np.ndarray, degraded: np.ndarray) -> float:
        """Score two signals."""
        try:
            return float(self.module.pesq(SAMPLE_RATE, original, degraded, "wb"))
        except self.module.PesqError as error:
            raise ValueError(f"PESQ: {error}") from error


class Visqol(_Comparison):
    """ViSQOL v3 in speech mode with the polynomial mapping, 1 to 5."""

    name = "visqol"

    def __init__(self):
        try:
            from visqol import VisqolApi
        except ImportError as error:
            raise NotScored(f"visqol-python is not installed ({error})") from error
        self.api = VisqolApi()
        self.api.create(mode="speech", use_lattice_model=False)

    def compare(self, original: np.ndarray, degraded: np.ndarray) -> float:
        """Score two signals."""
        result = self.api.measure_from_arrays(
            original.astype(np.float64), degraded.astype(np.float64), SAMPLE_RATE
        )
        return float(result.moslqo)


QUALITY_SCORERS = {cls.name: cls for cls in (Stoi, Pesq, Visqol)}


def build_quality_scorer(name: str):
    """Build a quality scorer by its name in the configuration.

    Raises:
        ValueError: an unknown name.
        NotScored: it cannot run here.
    """
    if name not in QUALITY_SCORERS:
        raise ValueError(
            f"Unknown quality scorer {name!r}, expected one of "
            f"{', '.join(QUALITY_SCORERS)}."
        )
    return QUALITY_SCORERS[name]()
