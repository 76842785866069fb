"""What each layer of a teacher knows: phones by k-means and PNMI, speakers by a probe.

Used by `espnet_st.bin.teacher`; k-means here also makes its units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from espnet_st.bin.audio import prepare_audio, read_audio, read_index
from espnet_st.codec.codebook import nearest
from espnet_st.codec.teachers import HOP_LENGTH, SAMPLE_RATE, Teacher


def read_waveforms(
    wav_scp: Path, max_utts: int | None = None
) -> Iterator[tuple[str, Tensor]]:
    """Keys and waveforms (1, N) at the teacher's rate.

    Args:
        wav_scp: What to read.
        max_utts: At most so many utterances, at even steps through the list.
    """
    sources = read_index(wav_scp)
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


def speaker_accuracy(means: Tensor, speakers: Sequence[str], seed: int) -> float:
    """How well a linear classifier tells speakers from mean features.

    Args:
        means: (n, D), one row per utterance.
        speakers: n names.
        seed: Of the folds.

    Returns:
        Accuracy in [0, 1] over four folds, each tested on what it was not trained on.
    """
    names = sorted(set(speakers))
    labels = torch.tensor([names.index(speaker) for speaker in speakers])
    generator = torch.Generator().manual_seed(seed)
    fold = torch.empty(len(labels), dtype=torch.long)
    for label in range(len(names)):  # every fold has some of every speaker
        rows = (labels == label).nonzero()[:, 0]
        order = torch.randperm(len(rows), generator=generator)
        fold[rows[order]] = torch.arange(len(rows)) % 4
    right = 0
    for k in range(4):
        known = fold != k
        scale = means[known].std(dim=0).clamp(min=1e-5)
        rows = (means - means[known].mean(dim=0)) / scale
        weight = _logistic_regression(rows[known], labels[known], len(names))
        guess = (_with_one(rows[~known]) @ weight).argmax(dim=1)
        right += int((guess == labels[~known]).sum())
    return right / len(labels)


def _logistic_regression(rows: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Weights (D + 1, n_classes) of a ridge-penalized linear classifier."""
    rows = _with_one(rows)
    weight = torch.zeros(rows.shape[1], n_classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(rows @ weight, labels)
        loss = loss + 1e-3 * weight.pow(2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weight.detach()


def _with_one(rows: Tensor) -> Tensor:
    return torch.cat([rows, torch.ones(len(rows), 1)], dim=1)


def probe_layers(
    teacher: Teacher, data_dir: Path, n_clusters: int, seed: int
) -> dict[str, dict[str, float]]:
    """Measure all layers and their average on one data set.

    Args:
        teacher: Whose hidden states.
        data_dir: With `wav.scp`, `utt2spk` and `phones.ctm`.
        n_clusters: Of k-means, made and counted on this same set.
        seed: Of k-means and the folds.

    Returns:
        By layer (`0`, ..., `avg`): `pnmi`; `speaker_accuracy`; `smoothness`, the mean
        cosine between a frame and the next.
    """
    from espnet_st.slmtokbench.data import read_ctm
    from espnet_st.slmtokbench.pnmi import CodePhoneCounts

    states = {}
    for key, wav in read_waveforms(data_dir / "wav.scp"):
        row = [state[0] for state in teacher.hidden_states(wav)]
        states[key] = [*row, torch.stack(row).mean(dim=0)]
    alignments = read_ctm(data_dir / "phones.ctm")
    utt2spk = read_index(data_dir / "utt2spk")
    names = [*map(str, range(teacher.n_layers + 1)), "avg"]
    rows: dict[str, dict[str, float]] = {}
    for i, name in enumerate(tqdm(names, desc="probing", unit="layer")):
        features = {key: row[i] for key, row in states.items()}
        centroids = kmeans(torch.cat(list(features.values())), n_clusters, seed)
        codes = {
            key: np.asarray(nearest(one, centroids)) for key, one in features.items()
        }
        counts = CodePhoneCounts.count(
            codes, alignments, n_clusters, SAMPLE_RATE / HOP_LENGTH
        )
        means = torch.stack([one.mean(dim=0) for one in features.values()])
        cosine = torch.nn.functional.cosine_similarity
        near = [cosine(one[1:], one[:-1], dim=1) for one in features.values()]
        rows[name] = {
            "pnmi": counts.summary()["pnmi"],
            "speaker_accuracy": speaker_accuracy(
                means, [utt2spk[key] for key in features], seed
            ),
            "smoothness": float(torch.cat(near).mean()),
        }
    return rows


def probe_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """The rows of `probe_layers` as a Markdown table."""
    lines = ["| layer | PNMI | speaker accuracy | cosine to next frame |"]
    lines.append("|---|---|---|---|")
    for name, row in rows.items():
        figures = [row["pnmi"], row["speaker_accuracy"], row["smoothness"]]
        lines.append(f"| {name} | " + " | ".join(f"{f:.3f}" for f in figures) + " |")
    return "\n".join(lines) + "\n"
