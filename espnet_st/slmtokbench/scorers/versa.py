"""VERSA (wavlab-speech), a collection of metrics, as one more scorer of quality."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from espnet_st.slmtokbench.cache import file_stamps
from espnet_st.slmtokbench.scorers.base import (
    NotScored,
    Setting,
    import_package,
    register,
)
from espnet_st.slmtokbench.scorers.quality import (
    DECIMALS,
    Item,
    QualityScorer,
    trim_to_shorter,
)

INSTALL = "git+https://github.com/wavlab-speech/versa"
CONFIG, FIGURES = "versa_config", "versa_figures"


@register
class Versa(QualityScorer):
    """Score with VERSA's metrics of single utterances, against the original.

    Args:
        settings: `versa_config`: a list of metrics as VERSA's own scorer takes it
            (`--score_config`, YAML); `versa_figures`: which of the results to keep,
            e.g. `[estoi, mcd]`.

    Raises:
        NotScored: The package, the list or one of its metrics is missing.
    """

    name = "versa"
    title = "VERSA"
    measures = "{versa_figures} of {versa_config}"
    settings = (Setting(CONFIG, ""), Setting(FIGURES, ()))
    reads_original = True
    reads_text = True

    def __init__(self, settings: Mapping[str, Any]):
        self.figures = tuple(settings.get(FIGURES, ()))
        if not self.figures:
            raise NotScored(
                f"{FIGURES} names none of the results to keep, e.g. [estoi]"
            )
        metrics = _read_metrics(settings.get(CONFIG, ""))
        module = import_package("versa.scorer_shared", INSTALL)
        self.suite = module.load_score_modules(metrics, use_gt=True, use_gt_text=True)
        # VERSA logs what it cannot load, and goes on without it.
        lost = [one["name"] for one in metrics if one["name"] not in self.suite.metrics]
        if lost:
            raise NotScored(
                f"VERSA could not load {', '.join(lost)}: see its log, and "
                "docs/supported_metrics.md there"
            )

    @classmethod
    def columns(cls, settings: Mapping[str, Any]) -> dict[str, str]:
        """Name the figures: those of `versa_figures`, as VERSA calls them."""
        names = settings.get(FIGURES, ())
        return {f"{cls.name}_{name}": f"{cls.title} {name}" for name in names}

    @classmethod
    def depends_on(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings, and the state of the list of metrics."""
        path = Path(settings.get(CONFIG, ""))
        return super().depends_on(settings) | {"files": file_stamps([path])}

    def measure(self, item: Item) -> dict[str, float]:
        """Score one file against its original."""
        original, degraded = trim_to_shorter(
            self.read(item.reference), self.read(item.wav)
        )
        results = self.suite.compute_all(
            predictions=degraded.astype(np.float64),
            references=original.astype(np.float64),
            metadata={
                "key": item.utt_id,
                "sample_rate": self.sample_rate,
                "text": item.text,
                "general_cache": {"whisper_hyp_text": None},
            },
        )
        found: dict[str, Any] = {}
        for name, result in results.items():
            found |= result if isinstance(result, dict) else {name: result}
        lost = [name for name in self.figures if found.get(name) is None]
        if lost:
            raise ValueError(
                f"VERSA gave no {', '.join(lost)}, only {', '.join(found) or 'nothing'}"
            )
        return {
            f"{self.name}_{name}": round(float(found[name]), DECIMALS)
            for name in self.figures
        }


def _read_metrics(path: str) -> list[dict[str, Any]]:
    """Read VERSA's list of metrics.

    Raises:
        NotScored: It is not there, or of another form.
    """
    if not Path(path).is_file():
        raise NotScored(f"{CONFIG}: no file {path!r}, a list of VERSA's metrics")
    try:
        metrics = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise NotScored(f"{path} is not readable YAML: {error}") from error
    if not isinstance(metrics, list) or not metrics:
        raise NotScored(f"{path}: expected a list, '- name: <metric>'")
    if not all(isinstance(one, dict) and "name" in one for one in metrics):
        raise NotScored(f"{path}: expected '- name: <metric>' for each metric")
    return metrics
