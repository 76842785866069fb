"""What was measured of anybody's tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from espnet_st.slmtokbench.speech_scores import SpeechScores
from espnet_st.slmtokbench.tokens.code_scores import CodeScores

KEY = "tokens"
"""Of the system, in the names of estimates and conditions."""


@dataclass
class Parts:
    """Hold what was measured.

    Attributes:
        alignment: "rvq1" and so on to figures, see `alignment.align`.
        speech: None if there is no resynthesis.
        figures: Condition key to figures, see `SpeechFigures`.
        codes: Figures of codes.
        not_scored: Part to what it needs, or why it failed.
        estimates: Figures with their draws.
    """

    codes: CodeScores
    alignment: dict[str, dict[str, Any]] = field(default_factory=dict)
    speech: SpeechScores | None = None
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_scored: dict[str, str] = field(default_factory=dict)
    estimates: dict[Any, Any] = field(default_factory=dict)
