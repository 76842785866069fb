"""All figures of a set of codes in one call, for a recipe and for anybody's tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from espnet_st.data.kaldi import TimedPhone
from espnet_st.slmtokbench.estimates import Estimates
from espnet_st.slmtokbench.tokens.coded_set import CodedSet
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts


@dataclass(frozen=True)
class Tokenizer:
    """Name what stability and speed need of a tokenizer.

    Attributes:
        encode: Turns signals (N_i,) float32 to codes (n_q, T_i), as a list.
        decode: Turns codes (n_q, T_i) to signals; None if there is no decoder.
        hop_length: Samples per frame.
        sample_rate: Hz of the signals.
    """

    encode: Callable[[Sequence[np.ndarray]], Sequence[Any]]
    hop_length: int
    sample_rate: int
    decode: Callable[[Sequence[np.ndarray]], Sequence[Any]] | None = None


@dataclass
class CodeScores:
    """Hold every figure of a set of codes.

    Attributes:
        figures: JSON-able: `usage`, `phones`, `unit_lm`, `speakers`, `stability`,
            `speed`, `abx`; each that could be computed.
        estimates: The figures with intervals, by (key, "rvq1", "pnmi") and the like.
        counts: Phones by codes of each layer, for figure 5; empty without phones.
        missing: What was not scored, e.g. "abx", and why.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    estimates: Estimates = field(default_factory=dict)
    counts: list[CodePhoneCounts] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def score_codes(
    coded: CodedSet,
    *,
    key: str,
    phones: Mapping[str, Sequence[TimedPhone]] | None = None,
    speakers: Mapping[str, str] | None = None,
    train: CodedSet | None = None,
    codebooks: Sequence[np.ndarray] | None = None,
    tokenizer: Tokenizer | None = None,
    speech: Mapping[str, np.ndarray] | None = None,
    abx: bool = False,
    seed: int = 0,
) -> CodeScores:
    """Compute every figure that the codes, and what comes with them, allow.

    Bad input of one figure does not stop the others: it is in `missing`.

    Args:
        coded: The codes to score, `CodedSet.of(codes, codebook_sizes, frame_rate)`.
        key: Of the system, for the names of the estimates.
        phones: Times by utterance (`read_ctm`), for PNMI and ABX.
        speakers: By utterance (`utt2spk`), for figure 4's number and ABX.
        train: Codes that the unit language model is trained on.
        codebooks: Vectors (codebook_size, D) of each layer, for figure 4's number and
            ABX.
        tokenizer: What made the codes, for stability and speed.
        speech: Utterance id to signal (N,) at the tokenizer's rate, the few utterances
            over which stability and speed are measured.
        abx: Whether to compute ABX; slow, and needs `fastabx`.
        seed: Of resampling and noise.
    """
    raise NotImplementedError
