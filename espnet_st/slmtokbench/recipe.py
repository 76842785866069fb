"""Where a recipe keeps what the benchmark reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_st.slmtokbench.config import BenchmarkConfig


@dataclass(frozen=True)
class Recipe:
    """Directories and set names of one run of a recipe.

    Attributes:
        codec_exp: experiment of SpeechTokenizer.
        baseline_exp: of the same codec without distillation, or None.
        uslm_exp: of USLM, or None.
        valle_exp: of VALL-E, the USLM on the baseline's codes, or None.
        dump_dir: holds `raw/<set>` and the codes.
        data_dir: holds `lm` and the sets as stage 1 wrote them.
        train_set, valid_set, test_set: names of sets.
        codes_dir, baseline_codes_dir: hold `<set>/codes.scp`.
    """

    codec_exp: Path
    baseline_exp: Path | None
    uslm_exp: Path | None
    valle_exp: Path | None
    dump_dir: Path
    data_dir: Path
    train_set: str
    valid_set: str
    test_set: str
    codes_dir: Path
    baseline_codes_dir: Path | None

    @property
    def raw_dir(self) -> Path:
        """Holds the formatted sets."""
        return self.dump_dir / "raw"

    @property
    def test_dir(self) -> Path:
        """The formatted test set."""
        return self.raw_dir / self.test_set

    def phone_times(self, name: str) -> Path:
        """Phone times of a set, as formatted or as stage 1 wrote them."""
        formatted = self.raw_dir / name / "phones.ctm"
        return formatted if formatted.is_file() else self.data_dir / name / "phones.ctm"

    def scorer_settings(self, config: BenchmarkConfig) -> dict[str, Any]:
        """What the scorers of audio need; see `measuring.build_scorer`."""
        settings = {
            "whisper_model": config.whisper_model,
            "wavlm_model": config.wavlm_model,
        }
        if config.language_model == "corpus":
            settings["language_model"] = self.data_dir / "lm" / "bigram.lm"
            settings["dictionary"] = self.data_dir / "lm" / "words.dict"
        return settings
