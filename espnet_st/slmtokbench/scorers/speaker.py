"""What encoders of voices share, and the similarity of voices (paper, 2.2 and 4.3)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from espnet_st.slmtokbench.scorers.base import (
    SPEAKER,
    Item,
    Scorer,
    require_voice,
)

DECIMALS = 5
Embedding = Sequence[float]


class SpeakerEncoder(Scorer):
    """Embed the voice of an item."""

    kind = SPEAKER

    def measure(self, item: Item) -> list[float]:
        """Embed the voice of one file, with norm 1."""
        wav = self.read(item.wav)
        require_voice(wav)
        embedding = np.asarray(self.embed(wav), dtype=np.float64)
        norm = float(np.linalg.norm(embedding))
        if norm == 0.0:
            raise ValueError("the embedding is all zeros")
        return [round(float(value), DECIMALS) for value in embedding / norm]

    @abstractmethod
    def embed(self, wav: np.ndarray) -> np.ndarray:
        """Embed a voice.

        Args:
            wav: (N,) float at `sample_rate`, not silent.

        Returns:
            (D,), of any norm.

        Raises:
            ValueError: The speech is too short, or has no voice in it.
        """


def cosine(first: Embedding, second: Embedding) -> float:
    """Compute the cosine of the angle between two embeddings."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def paired_similarity(
    embeddings: Mapping[str, Embedding], targets: Mapping[str, Embedding]
) -> dict[str, float]:
    """Compare each utterance with its own target, for the ids that have both."""
    return {
        key: cosine(value, targets[key])
        for key, value in embeddings.items()
        if key in targets
    }


def _unit(embeddings: Sequence[Embedding]) -> np.ndarray:
    """Stack embeddings (n, D) with norm 1."""
    rows = np.asarray(embeddings, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def similarity_within(
    voices: Mapping[str, Mapping[str, Embedding]],
) -> dict[str, tuple[float, int]]:
    """Compare each utterance with the others of its speaker.

    Args:
        voices: Speaker to utterance id to embedding.

    Returns:
        Utterance id to the sum of its similarities, and the number of others; speakers
        with one utterance are left out. The ratio of the totals is the mean over all
        pairs of different utterances of one speaker.
    """
    found: dict[str, tuple[float, int]] = {}
    for group in voices.values():
        if len(group) < 2:
            continue
        rows = _unit(list(group.values()))
        sums = (rows @ rows.T).sum(axis=1) - 1.0
        others = len(group) - 1
        found |= {key: (float(s), others) for key, s in zip(group, sums)}
    return found


def contrast_by_utterance(
    embeddings: Mapping[str, Embedding],
    speakers: Mapping[str, str],
    voices: Mapping[str, Sequence[Embedding]],
) -> dict[str, tuple[float, float, float]]:
    """Compare utterances with the voice that was asked for, and with all others.

    Args:
        embeddings: Utterance id to embedding.
        speakers: Utterance id to the speaker whose voice was asked for; one without a
            voice is left out.
        voices: Speaker to embeddings of their own speech.

    Returns:
        Utterance id to: mean similarity to speech of that speaker; the same for every
        other speaker, their mean; 100.0 if it is nearer to that speaker than to any
        other, else 0.0.

    Raises:
        ValueError: Fewer than two voices.
    """
    if len(voices) < 2:
        raise ValueError(f"{len(voices)} voice(s); a contrast needs two at least.")
    names = list(voices)
    # The mean cosine to a speaker's utterances is that to the mean of their units.
    centres = np.stack([_unit(voices[name]).mean(axis=0) for name in names])  # (S, D)
    found = {}
    for key, embedding in embeddings.items():
        if speakers.get(key) not in voices:
            continue
        means = centres @ _unit([embedding])[0]
        asked = names.index(speakers[key])
        own, others = float(means[asked]), np.delete(means, asked)
        found[key] = (own, float(others.mean()), 100.0 * float(own > others.max()))
    return found
