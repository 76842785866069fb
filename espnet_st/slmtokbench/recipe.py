"""Where a recipe keeps what the benchmark reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.systems import System


@dataclass(frozen=True)
class Recipe:
    """Hold the systems, directories and set names of one run of a recipe.

    Attributes:
        systems: What is compared.
        dump_dir: Holds `raw/<set>`.
        data_dir: Holds `lm` and the sets as stage 1 wrote them.
        train_set, valid_set, test_set: Names of sets.
        other_sets: Names of sets that are resynthesized and shown, not scored.
    """

    systems: tuple[System, ...]
    dump_dir: Path
    data_dir: Path
    train_set: str
    valid_set: str
    test_set: str
    other_sets: tuple[str, ...] = ()

    @property
    def raw_dir(self) -> Path:
        """Return the directory of the formatted sets."""
        return self.dump_dir / "raw"

    @property
    def test_dir(self) -> Path:
        """Return the formatted test set."""
        return self.raw_dir / self.test_set

    def phone_times(self, name: str) -> Path:
        """Find phone times of a set, as formatted or as stage 1 wrote them."""
        formatted = self.raw_dir / name / "phones.ctm"
        return formatted if formatted.is_file() else self.data_dir / name / "phones.ctm"

    def scorer_settings(self, config: BenchmarkConfig) -> dict[str, Any]:
        """Return the settings of all scorers, see `Scorer`."""
        return {**config.scorers, "corpus_lm": str(self.data_dir / "lm")}
