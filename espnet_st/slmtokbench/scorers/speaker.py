"""What encoders of voices share, and the similarity of voices (paper, 2.2 and 4.3)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from espnet_st.slmtokbench.scorers.base import SPEAKER, Item, Scorer

DECIMALS = 5


class SpeakerEncoder(Scorer):
    """Embed the voice of an item."""

    kind = SPEAKER

    def measure(self, item: Item) -> list[float]:
        """Embed the voice of one file."""
        embedding = self.embed(self.read(item.wav))
        return [round(float(value), DECIMALS) for value in embedding]

    @abstractmethod
    def embed(self, wav: np.ndarray) -> np.ndarray:
        """Embed a voice.

        Args:
            wav: (N,) float at `sample_rate`.

        Returns:
            (D,) of norm 1.

        Raises:
            ValueError: The speech is silent, or has no voice in it.
        """


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """Compute the cosine of the angle between two embeddings."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def paired_similarity(
    embeddings: Mapping[str, Sequence[float]], targets: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """Compare each utterance with its own target, for the ids that have both."""
    return {
        key: cosine(value, targets[key])
        for key, value in embeddings.items()
        if key in targets
    }


def voice_contrast(
    embeddings: Mapping[str, Sequence[float]],
    speakers: Mapping[str, str],
    voices: Mapping[str, Sequence[Sequence[float]]],
) -> dict[str, float]:
    """Compare utterances with the voice that was asked for, and with all others.

    Args:
        embeddings: utterance id to embedding.
        speakers: utterance id to the speaker whose voice was asked for.
        voices: speaker to embeddings of their own speech.

    Returns:
        `own` and `others`: mean similarity to speech of that speaker, and to that of
        every other speaker; `nearest`: per cent of utterances nearer to that
        speaker than to any other; `utterances`.

    Raises:
        ValueError: fewer than two voices, or nothing to compare.
    """
    if len(voices) < 2:
        raise ValueError(f"{len(voices)} voice(s); a contrast needs two at least.")
    own, others, nearest = [], [], []
    for key, embedding in embeddings.items():
        if speakers.get(key) not in voices:
            continue
        mean = {
            speaker: float(np.mean([cosine(embedding, other) for other in samples]))
            for speaker, samples in voices.items()
        }
        own_voice = mean.pop(speakers[key])
        own.append(own_voice)
        others.append(np.mean(list(mean.values())))
        nearest.append(own_voice > max(mean.values()))
    if not own:
        raise ValueError("No utterance has a voice to be compared with.")
    return {
        "own": float(np.mean(own)),
        "others": float(np.mean(others)),
        "nearest": 100.0 * float(np.mean(nearest)),
        "utterances": len(own),
    }
