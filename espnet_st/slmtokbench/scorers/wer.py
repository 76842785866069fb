"""Word error rate of a corpus, with its kinds of errors and a bootstrap interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from espnet_st.slmtokbench.bootstrap import Estimate, bootstrap, ratio


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


def errors_by_utterance(
    references: Mapping[str, str], hypotheses: Mapping[str, str]
) -> dict[str, Errors]:
    """Count the errors of each utterance that has a hypothesis.

    Raises:
        ValueError: A hypothesis without reference.
    """
    unknown = sorted(set(hypotheses) - set(references))
    if unknown:
        raise ValueError(
            f"{len(unknown)} recognised utterances have no reference text, "
            f"e.g. {unknown[0]}."
        )
    return {
        key: count_errors(references[key].split(), hypotheses[key].split())
        for key in sorted(hypotheses)
    }


def error_rate(errors: Mapping[str, Errors], seed: int = 0) -> Estimate:
    """Compute the word error rate of a corpus, in per cent, with its draws.

    Args:
        errors: Of each utterance.
        seed: Of the bootstrap over utterances.

    Raises:
        ValueError: No words to score against.
    """
    if not any(one.words for one in errors.values()):
        raise ValueError("No reference words to score against.")
    counts = {key: (one.total, one.words) for key, one in errors.items()}
    return bootstrap(counts, _per_cent, seed)


def describe_errors(errors: Mapping[str, Errors], rate: Estimate) -> dict[str, float]:
    """Lay out a word error rate with the counts behind it, see `corpus_wer`."""
    return {
        "wer": rate.value,
        "low": rate.low,
        "high": rate.high,
        **asdict(sum(errors.values(), Errors())),
        "utterances": len(errors),
    }


def corpus_wer(
    references: Mapping[str, str], hypotheses: Mapping[str, str], seed: int = 0
) -> dict[str, float]:
    """Compute the word error rate over all utterances that have a hypothesis.

    Args:
        references: Utterance id to words. An id without hypothesis is left out.
        hypotheses: Utterance id to recognised words, already normalized as the
            references are.
        seed: Of the bootstrap over utterances.

    Returns:
        `wer`, and `low` and `high` of its 95 % interval, in per cent; the counts
        `substitutions`, `deletions`, `insertions`, `words`, `utterances`.

    Raises:
        ValueError: Nothing to score, or a hypothesis without reference.
    """
    errors = errors_by_utterance(references, hypotheses)
    return describe_errors(errors, error_rate(errors, seed))


def wer_difference(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    others: Mapping[str, str],
    seed: int = 0,
) -> dict[str, float]:
    """Compute how far one system's word error rate lies above another's.

    Both are resampled together (paired bootstrap; Bisani and Ney, 2004), so that the
    difficulty of an utterance does not widen the interval.

    Args:
        references: Utterance id to words.
        hypotheses: Of one system; utterances that both have are compared.
        others: Of the other system.
        seed: Of the bootstrap.

    Returns:
        `points`, and `low` and `high` of its 95 % interval, in per cent of words;
        `utterances`.

    Raises:
        ValueError: Nothing to compare.
    """
    common = hypotheses.keys() & others.keys()
    ours, theirs = (
        errors_by_utterance(references, {key: words[key] for key in common})
        for words in (hypotheses, others)
    )
    if not any(one.words for one in ours.values()):
        raise ValueError("No reference words that both systems have a hypothesis for.")
    counts = {
        key: (one.total - theirs[key].total, one.words) for key, one in ours.items()
    }
    points = bootstrap(counts, _per_cent, seed)
    return {
        "points": points.value,
        "low": points.low,
        "high": points.high,
        "utterances": len(common),
    }


def _per_cent(sums: np.ndarray) -> np.ndarray:
    return 100.0 * ratio(sums)
