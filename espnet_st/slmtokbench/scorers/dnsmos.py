"""DNSMOS: opinions of listeners on noise and speech, predicted by speechmos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from espnet_st.slmtokbench.scorers.base import import_package, register
from espnet_st.slmtokbench.scorers.quality import OpinionScorer

INSTALL = "speechmos onnxruntime librosa requests"
"""The package does not declare what it imports; it carries its weights."""
SHORTEST = 0.5
"""Seconds below which a file is refused."""
FIGURES = {
    "dnsmos": "ovrl_mos",
    "dnsmos_sig": "sig_mos",
    "dnsmos_bak": "bak_mos",
    "dnsmos_p808": "p808_mos",
}
"""Names of our figures and of the package's."""


@register
class Dnsmos(OpinionScorer):
    """Predict P.835 opinions (overall, speech, background) and one of P.808, 1 to 5.

    The models hear 9.01 s (Reddy et al., 2021 and 2022): a longer file is heard in
    windows that start every second, and a shorter one is repeated until it is long
    enough, which says little of a file much shorter than a second.

    Raises:
        NotScored: A package is missing.
    """

    name = "dnsmos"
    title = "DNSMOS ↑"
    measures = "predicted opinion (P.835 and P.808)"

    def __init__(self, settings: Mapping[str, Any]):
        onnx = import_package("onnxruntime", INSTALL)
        module = import_package("speechmos.dnsmos", INSTALL)
        models = Path(module.__file__).parent / "dnsmos_models"
        paths = [str(models / f"{name}.onnx") for name in ("sig_bak_ovr", "model_v8")]
        self.model = module.DNSMOS(*paths)
        # It would take all cores in each of our processes.
        options = onnx.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.model.onnx_sess, self.model.p808_onnx_sess = (
            onnx.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            for path in paths
        )

    @classmethod
    def columns(cls, settings: Mapping[str, Any]) -> dict[str, str]:
        """Name the figures: overall, speech, background, and that of P.808."""
        heads = (cls.title, "DNSMOS SIG ↑", "DNSMOS BAK ↑", "DNSMOS P.808 ↑")
        return dict(zip(FIGURES, heads))

    def judge(self, wav: np.ndarray) -> dict[str, float]:
        """Score speech (N,) at 16 kHz."""
        if len(wav) < SHORTEST * self.sample_rate:
            raise ValueError(
                f"{len(wav) / self.sample_rate:.2f} s are too short for DNSMOS, which "
                f"takes {SHORTEST} s or more"
            )
        found = self.model(wav, self.sample_rate, False)
        return {name: float(found[theirs]) for name, theirs in FIGURES.items()}
