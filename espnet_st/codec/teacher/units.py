"""Units of a teacher: k-means over its features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from espnet_st.codec.teacher.backbones import SAMPLE_RATE
from espnet_st.codec.teacher.teacher import Teacher
from espnet_st.data.audio import prepare_audio, read_audio
from espnet_st.data.kaldi import read_table


def read_waveforms(
    wav_scp: Path, max_utts: int | None = None
) -> Iterator[tuple[str, Tensor]]:
    """Keys and waveforms (1, N) at the teacher's rate.

    Args:
        wav_scp: What to read.
        max_utts: At most so many utterances, at even steps through the list.
    """
    sources = read_table(wav_scp)
    step = -(-len(sources) // max_utts) if max_utts else 1
    for key in tqdm(list(sources)[::step], desc="teacher features", unit="utt"):
        wav = prepare_audio(*read_audio(sources[key]), SAMPLE_RATE)
        yield key, wav.unsqueeze(0)


def collect_features(teacher: Teacher, wav_scp: Path, max_utts: int) -> list[Tensor]:
    """A teacher's features (T, D) of at most `max_utts` utterances."""
    return [teacher(wav)[0] for _, wav in read_waveforms(wav_scp, max_utts)]


def kmeans(features: Tensor, n_clusters: int, seed: int) -> Tensor:
    """scikit-learn's `MiniBatchKMeans`, set much as for HuBERT's units.

    Args:
        features: (n, D).
        n_clusters: K.
        seed: Of its starts and batches.

    Returns:
        Centroids (K, D).

    Raises:
        ValueError: If there are fewer rows than clusters, or no scikit-learn.

    fairseq's `simple_kmeans/learn_kmeans.py` has 20 starts and more patience; they took
    six times as long here for 60,000 rows, and found no better centroids.
    """
    if len(features) < n_clusters:
        raise ValueError(f"{len(features)} frames cannot make {n_clusters} clusters")
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError as error:
        raise ValueError(
            "units need scikit-learn: pip install 'espnet-st[teacher]'"
        ) from error
    model = MiniBatchKMeans(
        n_clusters,
        max_iter=100,
        batch_size=10000,
        tol=0.0,
        max_no_improvement=20,
        n_init=3,
        reassignment_ratio=0.0,
        random_state=seed,
    )
    return torch.from_numpy(model.fit(features.numpy()).cluster_centers_).float()
