"""Word error rate of a corpus, with its kinds of errors and a bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Errors:
    """Count the edits of one hypothesis, in words."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    words: int = 0

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.words + other.words,
        )

    @property
    def total(self) -> int:
        """Return the number of errors of any kind."""
        return self.substitutions + self.deletions + self.insertions


def count_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> Errors:
    """Align two word sequences with the fewest edits and count them.

    Among alignments of equal cost, the one with most substitutions is counted.
    """
    # cost[j] = (edits, -substitutions, deletions, insertions) of reference[:i],
    # hypothesis[:j]; tuples compare by edits first.
    cost = [(j, 0, 0, j) for j in range(len(hypothesis) + 1)]
    for i, word in enumerate(reference, 1):
        row = [(i, 0, i, 0)]
        for j, guess in enumerate(hypothesis, 1):
            e, s, d, n = cost[j - 1]
            diagonal = (e, s, d, n) if word == guess else (e + 1, s - 1, d, n)
            e, s, d, n = cost[j]
            deletion = (e + 1, s, d + 1, n)
            e, s, d, n = row[j - 1]
            insertion = (e + 1, s, d, n + 1)
            row.append(min(diagonal, deletion, insertion))
        cost = row
    _, substitutions, deletions, insertions = cost[-1]
    return Errors(-substitutions, deletions, insertions, len(reference))


def corpus_wer(
    references: dict[str, str], hypotheses: dict[str, str], seed: int = 0
) -> dict[str, float]:
    """Compute the word error rate over all utterances that have a hypothesis.

    Args:
        references: utterance id to words. An id without hypothesis is left out.
        hypotheses: utterance id to recognised words, already normalized as the
            references are.
        seed: of the bootstrap over utterances.

    Returns:
        `wer`, and `low` and `high` of its 95 % interval, in per cent; the counts
        `substitutions`, `deletions`, `insertions`, `words`, `utterances`.

    Raises:
        ValueError: nothing to score, or a hypothesis without reference.
    """
    unknown = sorted(set(hypotheses) - set(references))
    if unknown:
        raise ValueError(
            f"{len(unknown)} recognised utterances have no reference text, "
            f"e.g. {unknown[0]}."
        )
    errors = [
        count_errors(references[key].split(), hypotheses[key].split())
        for key in sorted(hypotheses)
    ]
    total = sum(errors, Errors())
    if total.words == 0:
        raise ValueError("No reference words to score against.")
    low, high = _bootstrap([(e.total, e.words) for e in errors], seed)
    return {
        "wer": 100.0 * total.total / total.words,
        "low": low,
        "high": high,
        **asdict(total),
        "utterances": len(errors),
    }


def wer_difference(
    references: dict[str, str],
    hypotheses: dict[str, str],
    others: dict[str, str],
    seed: int = 0,
) -> dict[str, float]:
    """Compute how far one system's word error rate lies above another's.

    Both are resampled together (paired bootstrap; Bisani and Ney, 2004), so that the
    difficulty of an utterance does not widen the interval.

    Args:
        references: utterance id to words.
        hypotheses: of one system; utterances that both have are compared.
        others: of the other system.
        seed: of the bootstrap.

    Returns:
        `points`, and `low` and `high` of its 95 % interval, in per cent of words;
        `utterances`.

    Raises:
        ValueError: nothing to compare.
    """
    keys = sorted(set(hypotheses) & set(others))
    pairs = [
        tuple(
            count_errors(references[key].split(), words_of[key].split())
            for words_of in (hypotheses, others)
        )
        for key in keys
    ]
    words = sum(one.words for one, _ in pairs)
    if words == 0:
        raise ValueError("No reference words that both systems have a hypothesis for.")
    counts = [(one.total - other.total, one.words) for one, other in pairs]
    low, high = _bootstrap(counts, seed)
    return {
        "points": 100.0 * sum(more for more, _ in counts) / words,
        "low": low,
        "high": high,
        "utterances": len(keys),
    }


def _bootstrap(
    counts: list[tuple[int, int]], seed: int, draws: int = 1000
) -> tuple[float, float]:
    """Compute percentiles 2.5 and 97.5 of errors per 100 words over resamples."""
    table = np.array(counts, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(len(table), size=(draws, len(table)))
    sums = table[picks].sum(axis=1)
    rates = 100.0 * sums[:, 0] / np.maximum(sums[:, 1], 1.0)
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)
