"""What layers of a teacher know: phones by clusters and PNMI, speakers by a probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from espnet_st.data.kaldi import TimedPhone
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts


def speaker_accuracy(means: Tensor, speakers: Sequence[str], seed: int) -> float:
    """Measure how well a linear classifier tells speakers from mean features.

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
    """Fit the weights (D + 1, n_classes) of a ridge-penalized linear classifier."""
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


def probe_layer(
    features: Mapping[str, Tensor],
    codes: Mapping[str, np.ndarray],
    alignments: Mapping[str, list[TimedPhone]],
    utt2spk: Mapping[str, str],
    n_clusters: int,
    frame_rate: float,
    seed: int,
) -> dict[str, float]:
    """Measure what one layer knows of phones and speakers.

    Args:
        features: (T_i, D) by utterance.
        codes: Clusters (T_i,) of the same frames.
        alignments: Phone times by utterance.
        utt2spk: Speaker by utterance.
        n_clusters: How many clusters there are.
        frame_rate: Frames per second.
        seed: Of the folds of the speaker probe.

    Returns:
        `pnmi`; `speaker_accuracy`; `smoothness`, the mean cosine between a frame and
        the next.
    """
    counts = CodePhoneCounts.count(codes, alignments, n_clusters, frame_rate)
    means = torch.stack([one.mean(dim=0) for one in features.values()])
    cosine = torch.nn.functional.cosine_similarity
    near = [cosine(one[1:], one[:-1], dim=1) for one in features.values()]
    return {
        "pnmi": counts.summary()["pnmi"],
        "speaker_accuracy": speaker_accuracy(
            means, [utt2spk[key] for key in features], seed
        ),
        "smoothness": float(torch.cat(near).mean()),
    }


def probe_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Write figures of `probe_layer` by layer as a Markdown table."""
    lines = ["| layer | PNMI | speaker accuracy | cosine to next frame |"]
    lines.append("|---|---|---|---|")
    for name, row in rows.items():
        figures = [row["pnmi"], row["speaker_accuracy"], row["smoothness"]]
        lines.append(f"| {name} | " + " | ".join(f"{f:.3f}" for f in figures) + " |")
    return "\n".join(lines) + "\n"
