"""Distill-MOS: a learnt opinion of listeners, by the package distillmos."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from espnet_st.slmtokbench.scorers.base import (
    DEVICE,
    find_device,
    import_package,
    register,
)
from espnet_st.slmtokbench.scorers.quality import OpinionScorer


@register
class DistillMos(OpinionScorer):
    """Predict the opinion of listeners, 1 to 5; the package carries its weights.

    The model hears 7.68 s (Stahl and Gamper, 2025): a longer file is heard in windows
    at most one second apart, and a shorter one is followed by silence.

    Raises:
        NotScored: The package is missing.
    """

    name = "distillmos"
    title = "Distill-MOS ↑"
    measures = "predicted opinion"
    settings = (DEVICE,)

    def __init__(self, settings: Mapping[str, Any]):
        module = import_package("distillmos", "distillmos")
        self.device = find_device(settings)
        with contextlib.redirect_stdout(sys.stderr):  # it prints where its weights are
            self.model = module.ConvTransformerSQAModel().eval().to(self.device)

    @torch.no_grad()
    def judge(self, wav: np.ndarray) -> dict[str, float]:
        """Score speech (N,) at 16 kHz."""
        samples = torch.from_numpy(wav[None]).float().to(self.device)
        return {self.name: float(self.model(samples).squeeze())}
