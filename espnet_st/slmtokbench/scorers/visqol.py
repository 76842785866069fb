"""ViSQOL v3, by visqol-python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from espnet_st.slmtokbench.scorers.base import import_package, register
from espnet_st.slmtokbench.scorers.quality import ReferenceScorer


@register
class Visqol(ReferenceScorer):
    """Score ViSQOL in speech mode with the polynomial mapping, 1 to 5."""

    name = "visqol"
    title = "ViSQOL ↑"
    measures = "quality against the original, speech mode"

    def __init__(self, settings: Mapping[str, Any]):
        self.api = import_package("visqol", "visqol-python").VisqolApi()
        self.api.create(mode="speech", use_lattice_model=False)

    def compare(self, original: np.ndarray, degraded: np.ndarray) -> float:
        """Score two signals."""
        result = self.api.measure_from_arrays(
            original.astype(np.float64), degraded.astype(np.float64), self.sample_rate
        )
        return float(result.moslqo)
