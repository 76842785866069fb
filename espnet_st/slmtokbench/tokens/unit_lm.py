"""Perplexity of a small language model of units: an n-gram with absolute discounts.

Chosen because it has one result: it needs no seed, no stopping rule and no held-out
set, and every probability is positive. Ney, Essen and Kneser, "On structuring
probabilistic dependences in stochastic language modelling", 1994, interpolated::

    P_k(w | h) = (max(c(h w) - D_k, 0) + D_k t(h) P_{k-1}(w | h')) / c(h)
    P_0(w) = 1 / V,   D_k = (n_1 + 1/2) / (n_1 + 2 n_2 + 1)

with c(h w) how often w came after h, c(h) how often anything did, t(h) how many
different codes did, h' the context h without its first code, and n_1 and n_2 how many
n-grams of k codes came once and twice. The halves keep D_k in (0, 1) where all codes
are common. A context that was never continued leaves P_{k-1}. The first codes of an
utterance have as much context as there is; its end is not predicted.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ORDER = 3
"""Codes of an n-gram: 4 and 5 are no better on an hour and a half of speech."""

MAX_FRAMES = 20_000_000
"""Training frames, about 110 hours at 50 per second; they take 3 GB."""

FOLDS = 5
NO_KEY = np.iinfo(np.int64).max
"""Ends each list of keys, so that a search always ends at an entry."""


@dataclass(frozen=True)
class _Level:
    """Hold the n-grams of one length.

    Attributes:
        keys: (n,) sorted; the index of an n-gram's context times V, plus its last code;
            `NO_KEY` at the end.
        counts: (n,) how often each came.
        totals, types: By index of the context, c(h) and t(h).
        discount: D_k.
    """

    keys: np.ndarray
    counts: np.ndarray
    totals: np.ndarray
    types: np.ndarray
    discount: float


class UnitLM:
    """Predicts codes of one layer from the codes before.

    Args:
        sequences: Codes (T,) of the training utterances.
        vocabulary: V, entries of the codebook.
        order: Codes of the longest n-gram.

    Raises:
        ValueError: If there is no code to train on, or one is out of range.
    """

    def __init__(
        self, sequences: Iterable[np.ndarray], vocabulary: int, order: int = ORDER
    ) -> None:
        if order < 1:
            raise ValueError(f"n-grams of {order} codes; expected 1 or more")
        self.vocabulary = vocabulary
        codes, age = _joined(sequences)
        if not len(codes) or codes.min() < 0 or codes.max() >= vocabulary:
            raise ValueError(
                f"{len(codes)} codes to train on; expected some, all of them in "
                f"[0, {vocabulary - 1}]"
            )
        self._levels: list[_Level] = []
        context, n_contexts = np.zeros(len(codes), dtype=np.int64), 1
        for length in range(1, order + 1):
            seen = age >= length - 1
            keys, counts = np.unique(
                context[seen] * vocabulary + codes[seen], return_counts=True
            )
            owners = keys // vocabulary
            once, twice = (counts == 1).sum(), (counts == 2).sum()
            self._levels.append(
                _Level(
                    np.append(keys, NO_KEY),
                    np.append(counts, 0),
                    np.bincount(owners, weights=counts, minlength=n_contexts),
                    np.bincount(owners, minlength=n_contexts),
                    float((once + 0.5) / (once + 2 * twice + 1)),
                )
            )
            context = self._extend(self._levels[-1], context, codes)
            n_contexts = len(keys) + 1

    def probabilities(self, codes: np.ndarray) -> np.ndarray:
        """Predict each code of an utterance from those before it.

        Args:
            codes: (T,) in [0, V).

        Returns:
            (order, T): what n-grams of 1, 2, ... codes make of each.
        """
        codes, _ = _joined([codes])
        if len(codes) and not (codes.min() >= 0 and codes.max() < self.vocabulary):
            raise ValueError(
                f"codes lie in [{codes.min()}, {codes.max()}]; expected "
                f"[0, {self.vocabulary - 1}]"
            )
        context = np.zeros(len(codes), dtype=np.int64)
        shorter = np.full(len(codes), 1.0 / self.vocabulary)
        found = []
        for level in self._levels:
            known = context >= 0
            place, met = _find(level.keys, context * self.vocabulary + codes)
            count = np.where(known & met, level.counts[place], 0)
            total = np.where(known, level.totals[context], 0.0)
            rest = level.discount * level.types[context] * shorter
            longer = np.maximum(count - level.discount, 0.0) + rest
            shorter = np.where(total > 0, longer / np.maximum(total, 1.0), shorter)
            found.append(shorter)
            context = self._extend(level, context, codes)
        return np.array(found)

    def _extend(
        self, level: _Level, context: np.ndarray, codes: np.ndarray
    ) -> np.ndarray:
        """Find the next longer context (T,) of each code; -1 for one never seen.

        That of code t is the n-gram that ends in code t - 1. Where an utterance begins
        -1 comes in from the left, as `age` says while training: a context of k codes
        is asked for from the k-th code on only.
        """
        place, met = _find(level.keys, context * self.vocabulary + codes)
        grams = np.where((context >= 0) & met, place, -1)
        return np.concatenate([[-1], grams[:-1]])


def _find(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the places of keys among sorted ones, and which of them are there."""
    place = np.searchsorted(keys, wanted)
    return place, keys[place] == wanted


def _joined(sequences: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Join sequences: all codes, and how many of its sequence came before each."""
    arrays = [np.asarray(one, dtype=np.int64) for one in sequences]
    arrays = [one for one in arrays if len(one)]
    if not arrays:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    ages = [np.arange(len(one)) for one in arrays]
    return np.concatenate(arrays), np.concatenate(ages)


def unit_lm_terms(
    test: Mapping[str, np.ndarray],
    train: Mapping[str, np.ndarray] | None,
    vocabulary: int,
    order: int = ORDER,
    seed: int = 0,
) -> list[dict[str, tuple[float, float]]]:
    """Compute what each utterance adds to the bits per code, for `shares`.

    Args:
        test: Utterance id to the codes (T,) of one layer.
        train: The same of the training set; None to train on the other four fifths of
            `test` for each fifth of it.
        vocabulary: Entries of the codebook.
        order: Codes of the longest n-gram.
        seed: Of which utterances are left out of a training set above `MAX_FRAMES`.

    Returns:
        For n-grams of 1, 2, ... codes: utterance id to bits and codes.

    Raises:
        ValueError: If an utterance is in both sets, or `test` is all there is and has
            fewer than two.
    """
    terms: list[dict[str, tuple[float, float]]] = [{} for _ in range(order)]
    for known, asked in _splits(test, train):
        model = UnitLM(_limited(known, seed), vocabulary, order)
        for key, codes in asked.items():
            bits = -np.log2(model.probabilities(codes)).sum(axis=1)
            for level in range(order):
                terms[level][key] = (float(bits[level]), float(len(codes)))
    return terms


def _splits(
    test: Mapping[str, np.ndarray], train: Mapping[str, np.ndarray] | None
) -> Iterator[tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]]:
    """Yield what to train on, and what to predict then."""
    if train is not None:
        both = sorted(set(train) & set(test))
        if both:
            raise ValueError(
                f"{len(both)} utterances, e.g. {both[0]}, are both in the training set "
                "and in the test set of the unit language model; expected none"
            )
        yield train, test
        return
    keys = sorted(test)
    if len(keys) < 2:
        raise ValueError(
            "one utterance and no training set: a unit language model needs other "
            "utterances to be trained on"
        )
    for fold in range(min(FOLDS, len(keys))):
        asked = keys[fold::FOLDS]
        known = set(keys) - set(asked)
        yield {k: test[k] for k in sorted(known)}, {k: test[k] for k in asked}


def _limited(train: Mapping[str, np.ndarray], seed: int) -> Sequence[np.ndarray]:
    """Take utterances in an order by seed until there are `MAX_FRAMES`."""
    chosen: list[np.ndarray] = []
    frames = 0
    keys = sorted(train)
    random.Random(seed).shuffle(keys)
    for key in keys:
        if chosen and frames + len(train[key]) > MAX_FRAMES:
            break
        chosen.append(train[key])
        frames += len(train[key])
    return chosen
