"""STOI: short-time objective intelligibility, by pystoi."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from espnet_st.slmtokbench.scorers.base import import_package, register
from espnet_st.slmtokbench.scorers.quality import ReferenceScorer


@register
class Stoi(ReferenceScorer):
    """Score intelligibility, up to 1."""

    name = "stoi"
    title = "STOI ↑"
    measures = "intelligibility against the original"

    def __init__(self, settings: Mapping[str, Any]):
        self.stoi = import_package("pystoi", "pystoi").stoi

    def compare(self, original: np.ndarray, degraded: np.ndarray) -> float:
        """Score two signals; too little speech is an error, not pystoi's 1e-5."""
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Not enough STFT frames")
            try:
                return float(self.stoi(original, degraded, self.sample_rate))
            except RuntimeWarning as error:
                raise ValueError("too little speech for STOI") from error
