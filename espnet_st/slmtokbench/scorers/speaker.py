"""Speaker embeddings and the similarity of voices (paper, sections 2.2 and 4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from espnet_st.data.audio import load_audio
from espnet_st.slmtokbench.scorers.base import SAMPLE_RATE, Item, NotScored, load_local

DECIMALS = 5


class _Encoder:
    """Reads the file of an item and embeds its voice."""

    def measure(self, item: Item) -> list[float]:
        """Embedding of one file."""
        embedding = self.embed(load_audio(item.wav, SAMPLE_RATE).numpy())
        return [round(float(value), DECIMALS) for value in embedding]

    def embed(self, wav: np.ndarray) -> np.ndarray:
        """Embed a voice.

        Args:
            wav: (N,) float at 16 kHz.

        Returns:
            (D,) of norm 1.

        Raises:
            ValueError: the speech is silent, or has no voice in it.
        """
        raise NotImplementedError


class ResemblyzerEncoder(_Encoder):
    """The GE2E encoder that the package resemblyzer carries (256 values).

    Raises:
        NotScored: the package is missing.
    """

    name = "resemblyzer"

    def __init__(self):
        try:
            from resemblyzer import VoiceEncoder, preprocess_wav
        except ImportError as error:
            raise NotScored(f"resemblyzer is not installed ({error})") from error
        self.encoder = VoiceEncoder("cpu", verbose=False)
        self.preprocess = preprocess_wav

    def embed(self, wav: np.ndarray) -> np.ndarray:
        """Embed a voice."""
        if not np.any(wav):
            raise ValueError("silent")
        voiced = self.preprocess(wav, source_sr=SAMPLE_RATE)
        if len(voiced) == 0:
            raise ValueError("no voice was detected")
        return self.encoder.embed_utterance(voiced)


class WavLMEncoder(_Encoder):
    """WavLM-TDNN through transformers, as in the paper.

    Args:
        model: a directory or a hub name whose weights are already on this machine.

    Raises:
        NotScored: transformers or the weights are missing.
    """

    name = "wavlm"

    def __init__(self, model: str):
        self.extractor, self.model = load_local(
            model, "Wav2Vec2FeatureExtractor", "WavLMForXVector"
        )
        self.model.eval()

    def embed(self, wav: np.ndarray) -> np.ndarray:
        """Embed a voice."""
        import torch

        if not np.any(wav):
            raise ValueError("silent")
        inputs = self.extractor(wav, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.no_grad():
            embedding = self.model(**inputs).embeddings[0].numpy()
        return embedding / np.linalg.norm(embedding)


def build_speaker_encoder(name: str, settings: dict[str, Any]):
    """Build a speaker encoder by its name in the configuration.

    Args:
        name: "resemblyzer" or "wavlm".
        settings: `wavlm_model` for the latter.

    Raises:
        ValueError: an unknown name.
        NotScored: it cannot run here.
    """
    if name == "resemblyzer":
        return ResemblyzerEncoder()
    if name == "wavlm":
        return WavLMEncoder(settings["wavlm_model"])
    raise ValueError(
        f"Unknown speaker encoder {name!r}, expected resemblyzer or wavlm."
    )


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """Cosine of the angle between two embeddings."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def paired_similarity(
    embeddings: Mapping[str, Sequence[float]], targets: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """Similarity of each utterance to its own target, for the ids that have both."""
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
    """Set the wanted voice against all others.

    Args:
        embeddings: utterance id to embedding.
        speakers: utterance id to the speaker whose voice was asked for.
        voices: speaker to embeddings of their own speech.

    Returns:
        `own` and `others`: mean similarity to speech of that speaker, and to that of
        every other speaker; `nearest`: per cent of utterances nearer to the wanted
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
        wanted = mean.pop(speakers[key])
        own.append(wanted)
        others.append(np.mean(list(mean.values())))
        nearest.append(wanted > max(mean.values()))
    if not own:
        raise ValueError("No utterance has a voice to be compared with.")
    return {
        "own": float(np.mean(own)),
        "others": float(np.mean(others)),
        "nearest": 100.0 * float(np.mean(nearest)),
        "utterances": len(own),
    }
