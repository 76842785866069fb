"""Do codes tell speakers apart? A number for the paper's figure 4 (section 5.2)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.systems import layer_part, layer_span
from espnet_st.slmtokbench.tokens.coded_set import CodedSet
from espnet_st.slmtokbench.tokens.shares import shares

MAX_UTTERANCES = 3000
"""More are sampled: distances between all of them are held in memory."""


@dataclass(frozen=True)
class Voices:
    """Hold how often the nearest other utterance is of the same speaker.

    Attributes:
        accuracy: Share of utterances.
        chance: The same if the other utterance were drawn at random.
        speakers: How many.
        utterances: How many.
    """

    accuracy: Estimate
    chance: float
    speakers: int
    utterances: int

    def title(self, name: str) -> str:
        """Write the figure below a name, as a plot's title."""
        value, low, high = (
            100 * x
            for x in (self.accuracy.value, self.accuracy.low, self.accuracy.high)
        )
        return (
            f"{name}: nearest is the same voice\n{value:.0f} % ({low:.0f} to "
            f"{high:.0f}), by chance {100 * self.chance:.0f} %"
        )


def nearest_voice(
    vectors: np.ndarray, speakers: Sequence[str], keys: Sequence[str], seed: int = 0
) -> Voices:
    """Measure how often the nearest other utterance is of the same speaker.

    The distance is Euclidean, as that of figure 4's t-SNE. No classifier is trained:
    the number says what the picture shows, which points have which neighbours.

    Args:
        vectors: (n, D), one of each utterance.
        speakers: Of each utterance.
        keys: Ids of the utterances, for the draws.
        seed: Of the draws.

    Raises:
        ValueError: If there are fewer than two speakers, none has two utterances, or a
            vector is no number.
    """
    names, labels = np.unique(np.asarray(speakers), return_inverse=True)
    counts = np.bincount(labels)
    if len(names) < 2 or counts.max() < 2:
        raise ValueError(
            f"{len(labels)} utterances of {len(names)} speakers; expected two "
            "speakers, and two utterances of one, to ask whose the nearest is"
        )
    table = np.asarray(vectors, dtype=np.float64)
    if not np.isfinite(table).all():
        raise ValueError("vectors hold NaN or infinity; expected finite numbers")
    table = table - table.mean(axis=0)  # leaves distances, and their digits
    squares = (table**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * table @ table.T
    np.fill_diagonal(distances, np.inf)
    right = labels[distances.argmin(axis=1)] == labels
    terms = {key: (float(ok), 1.0) for key, ok in zip(keys, right, strict=True)}
    n = len(labels)
    return Voices(
        accuracy=shares({"accuracy": terms}, seed)["accuracy"],
        chance=float((counts * (counts - 1)).sum() / (n * (n - 1))),
        speakers=len(names),
        utterances=n,
    )


def layer_voices(
    coded: CodedSet,
    codebooks: Sequence[np.ndarray],
    speakers: Mapping[str, str],
    seed: int = 0,
) -> dict[str, Voices]:
    """Measure the voices in the first layer and in the sum of the others.

    Args:
        coded: The codes.
        codebooks: Vectors (codebook_size, D) of each layer.
        speakers: By utterance; utterances without one are left out.
        seed: Of the sample of utterances and the draws.

    Returns:
        "rvq1" and, if there are more layers, "rvq2_8" (of 8), each of mean-pooled
        vectors.

    Raises:
        ValueError: If codebooks do not fit the codes, and as `nearest_voice`.
    """
    books = [np.asarray(book, dtype=np.float64) for book in codebooks]
    sizes = tuple(len(book) for book in books)
    if sizes != coded.codebook_sizes:
        raise ValueError(
            f"codebooks of {sizes} vectors; expected {coded.codebook_sizes}, those of "
            "the codes"
        )
    keys = sorted(set(coded.codes) & set(speakers))
    if len(keys) > MAX_UTTERANCES:
        keys = sorted(random.Random(seed).sample(keys, MAX_UTTERANCES))
    layers = {layer_part("1"): range(1)}
    if coded.n_q > 1:
        layers[layer_part(layer_span(2, coded.n_q))] = range(1, coded.n_q)
    owners = [speakers[key] for key in keys]
    found = {}
    for part, chosen in layers.items():
        pooled = [
            sum(books[q][coded.codes[key][q]].mean(axis=0) for q in chosen)
            for key in keys
        ]
        found[part] = nearest_voice(np.array(pooled), owners, keys, seed)
    return found
