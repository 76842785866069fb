"""How long a tokenizer takes: its real-time factor."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from espnet_st.slmtokbench.tokens.tokenizer import Tokenizer, check_speech

PASSES = 5


def speed(
    tokenizer: Tokenizer, speech: Mapping[str, np.ndarray], passes: int = PASSES
) -> dict[str, Any]:
    """Measure seconds of this process's processor time per second of speech.

    The passes of encoding and decoding take turns, after one of each that is not
    counted, so that whatever else the machine does meets both alike. Time of all
    threads is summed; that of other processes and of a GPU is not in it.

    Args:
        tokenizer: What encodes and maybe decodes, one utterance at a time.
        speech: Utterance id to signal (N,).
        passes: Over all speech; the median counts.

    Returns:
        `encode_rtf`; `decode_rtf`, or None without a decoder; `seconds` of speech,
        `passes`, and `threads` of torch.

    Raises:
        ValueError: As `check_speech` and `Tokenizer.codes_of`.
    """
    check_speech(speech, tokenizer.hop_length)
    signals = {key: np.asarray(wav, np.float32) for key, wav in speech.items()}
    codes = tokenizer.codes_of(signals)
    work: dict[str, Callable[[], Any]] = {
        "encode_rtf": lambda: [tokenizer.encode([wav]) for wav in signals.values()]
    }
    decode = tokenizer.decode
    if decode is not None:
        work["decode_rtf"] = lambda: [decode([one]) for one in codes.values()]
    times: dict[str, list[float]] = {name: [] for name in work}
    for number in range(passes + 1):
        for name, run in work.items():
            start = time.process_time()
            run()
            if number:
                times[name].append(time.process_time() - start)
    seconds = sum(map(len, signals.values())) / tokenizer.sample_rate
    found: dict[str, Any] = {"encode_rtf": None, "decode_rtf": None}
    for name, measured in times.items():
        found[name] = statistics.median(measured) / seconds
    return found | {
        "seconds": seconds,
        "passes": passes,
        "threads": torch.get_num_threads(),
    }
