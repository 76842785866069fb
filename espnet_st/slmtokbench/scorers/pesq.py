"""PESQ: perceptual evaluation of speech quality, by the package pesq."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from espnet_st.slmtokbench.scorers.base import import_package, register
from espnet_st.slmtokbench.scorers.quality import ReferenceScorer


@register
class Pesq(ReferenceScorer):
    """Score wide-band PESQ (P.862.2), 1.04 to 4.64."""

    name = "pesq"
    title = "PESQ ↑"
    measures = "quality against the original, wide band"

    def __init__(self, settings: Mapping[str, Any]):
        self.module = import_package("pesq", "pesq")

    def compare(self, original: np.ndarray, degraded: np.ndarray) -> float:
        """Score two signals."""
        try:
            return float(self.module.pesq(self.sample_rate, original, degraded, "wb"))
        except self.module.PesqError as error:
            raise ValueError(f"PESQ: {error}") from error
