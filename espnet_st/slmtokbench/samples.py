"""Which utterances are scored: seeded samples, drawn from what was to be made."""

from __future__ import annotations

import random
from collections.abc import Iterable

from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.conditions import Condition
from espnet_st.slmtokbench.config import BenchmarkConfig


def sample_keys(keys: Iterable[str], count: int, seed: int) -> list[str]:
    """Draw at most `count` keys, the same for the same set of keys and seed, sorted."""
    keys = sorted(keys)
    if len(keys) <= count:
        return keys
    return sorted(random.Random(seed).sample(keys, count))


def condition_sample(condition: Condition, config: BenchmarkConfig) -> list[str]:
    """Draw the sample of a condition; nothing if its list is not there."""
    table = condition.text if condition.text is not None else condition.wav_scp
    if not table.is_file():
        return []
    return sample_keys(read_table(table), config.max_utterances, config.seed)


def original_keys(condition: Condition, keys: Iterable[str]) -> set[str]:
    """Name the originals from which utterances of a condition were made."""
    table = condition.utt2src
    sources = read_table(table) if table is not None and table.is_file() else {}
    return {sources.get(key, key) for key in keys}
