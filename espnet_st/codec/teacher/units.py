"""Units of a teacher: k-means over its features, in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from espnet_st.data.audio import prepare_audio, read_audio
from espnet_st.data.kaldi import read_table


def read_waveforms(
    wav_scp: Path, sample_rate: int, max_utts: int | None = None
) -> Iterator[tuple[str, Tensor]]:
    """Read keys and waveforms (1, N) of a `wav.scp`.

    Args:
        wav_scp: What to read.
        sample_rate: Hz of the waveforms.
        max_utts: At most so many utterances, at even steps through the list.
    """
    sources = read_table(wav_scp)
    step = -(-len(sources) // max_utts) if max_utts else 1
    for key in tqdm(list(sources)[::step], desc="teacher features", unit="utt"):
        wav = prepare_audio(*read_audio(sources[key]), sample_rate)
        yield key, wav.unsqueeze(0)


def kmeans(features: Tensor, n_clusters: int, seed: int) -> Tensor:
    """Cluster by scikit-learn's `MiniBatchKMeans`, set much as for HuBERT's units.

    fairseq's `simple_kmeans/learn_kmeans.py` has 20 starts and more patience; they took
    six times as long here for 60,000 rows, and found no better centroids.

    Args:
        features: (n, D).
        n_clusters: K.
        seed: Of its starts and batches.

    Returns:
        Centroids (K, D).

    Raises:
        ValueError: If there are fewer rows than clusters, or no scikit-learn.
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


def write_units(path: Path, centroids: Tensor, layer: str | int) -> None:
    """Write centroids (K, D) as `.npy`, and their layer in a `.json` beside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        np.save(stream, centroids.cpu().numpy().astype(np.float32))
    about = {"layer": layer, "n_clusters": len(centroids)}
    path.with_suffix(".json").write_text(json.dumps(about) + "\n")


def read_units(path: Path) -> tuple[Tensor, str | int]:
    """Read what `write_units` wrote.

    Returns:
        The centroids (K, D), float, and their layer.

    Raises:
        ValueError: If a file is missing or does not hold centroids.
    """
    about = path.with_suffix(".json")
    for needed in (path, about):
        if not needed.is_file():
            raise ValueError(
                f"{needed} is missing: make the units with espnet_st.bin.teacher units"
            )
    centroids = torch.from_numpy(np.load(path, allow_pickle=False))
    if centroids.dim() != 2 or not centroids.is_floating_point():
        raise ValueError(
            f"{path} holds {centroids.dtype} of shape {tuple(centroids.shape)}; "
            "expected float centroids (K, D)"
        )
    return centroids.float(), json.loads(about.read_text())["layer"]
