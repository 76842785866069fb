"""Figures of the report: spectrograms, voices and phones in the codes, curves.

Each function draws one PNG from arrays; nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch

from espnet_st.slmtokbench.report.curves import Curves
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of backend)
from matplotlib.figure import Figure  # noqa: E402

N_FFT, HOP, N_MELS = 1024, 256, 80


def log_mel(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Compute the log-mel spectrogram (n_mels, frames) of speech (N,), in dB."""
    from librosa.filters import mel

    spectrum = torch.stft(
        torch.from_numpy(wav).float(),
        N_FFT,
        HOP,
        window=torch.hann_window(N_FFT),
        return_complex=True,
    )
    mels = mel(sr=sample_rate, n_fft=N_FFT, n_mels=N_MELS)
    power = mels @ spectrum.abs().numpy() ** 2
    return 10.0 * np.log10(np.maximum(power, 1e-8))


def plot_spectrograms(
    wavs: Mapping[str, np.ndarray], sample_rate: int, path: Path
) -> None:
    """Draw mel spectrograms on one scale of time and level (figure 6).

    Args:
        wavs: title to speech (N,), the original first.
        sample_rate: Hz of all of them.
        path: of the PNG.
    """
    mels = {title: log_mel(wav, sample_rate) for title, wav in wavs.items()}
    top = max(mel.max() for mel in mels.values())
    figure, axes = pyplot.subplots(
        len(mels), 1, figsize=(8, 1.9 * len(mels)), sharex=True, squeeze=False
    )
    for axis, (title, mel) in zip(axes[:, 0], mels.items()):
        seconds = mel.shape[1] * HOP / sample_rate
        axis.imshow(
            mel,
            origin="lower",
            aspect="auto",
            vmin=top - 80,
            vmax=top,
            cmap="magma",
            extent=(0, seconds, 0, N_MELS),
        )
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_ylabel("mel band")
    axes[-1, 0].set_xlabel("seconds")
    _save(figure, path)


def plot_voices(
    pooled: Mapping[str, np.ndarray], speakers: Sequence[str], seed: int, path: Path
) -> None:
    """Draw t-SNE of mean-pooled quantized vectors, a colour per speaker (figure 4).

    Args:
        pooled: title ("RVQ-1", "RVQ-2:8") to (n_utterances, D).
        speakers: speaker of each utterance.
        seed: of t-SNE.
        path: of the PNG.

    Raises:
        ValueError: too few utterances for a picture.
    """
    from sklearn.manifold import TSNE

    n = len(speakers)
    if n < 5:
        raise ValueError(f"{n} utterances are too few for t-SNE.")
    figure, axes = pyplot.subplots(
        1, len(pooled), figsize=(4.2 * len(pooled), 4), squeeze=False
    )
    for axis, (title, vectors) in zip(axes[0], pooled.items()):
        points = TSNE(
            perplexity=min(15.0, (n - 1) / 3), random_state=seed, init="pca"
        ).fit_transform(vectors)
        for index, speaker in enumerate(sorted(set(speakers))):
            mine = [i for i, name in enumerate(speakers) if name == speaker]
            axis.scatter(
                *points[mine].T, s=22, color=f"C{index % 10}", label=str(speaker)
            )
        axis.set_title(title, fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0, -1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(figure, path)


def plot_phones_given_codes(tables: Mapping[str, CodePhoneCounts], path: Path) -> None:
    """Draw p(phone | code), codes sorted by their commonest phone (figure 5).

    Args:
        tables: title to counts of one codebook.
        path: of the PNG.
    """
    figure, axes = pyplot.subplots(
        1, len(tables), figsize=(5.5 * len(tables), 5.5), squeeze=False
    )
    for axis, (title, table) in zip(axes[0], tables.items()):
        share = table.phones_by_code()
        used = table.counts.sum(axis=0) > 0
        axis.imshow(
            share[:, table.sorted_codes()], aspect="auto", cmap="Blues", vmin=0, vmax=1,
            interpolation="nearest",
        )  # fmt: skip
        axis.set_yticks(range(len(table.phones)), table.phones, fontsize=6)
        axis.set_xlabel("codes, by commonest phone; unused last")
        axis.set_title(f"{title}: {used.sum()} of {len(used)} codes used", fontsize=10)
    _save(figure, path)


def plot_curves(
    curves: Curves, names: Sequence[str], title: str, path: Path
) -> list[str]:
    """Draw figures against epochs, a small panel each, training and validation.

    Args:
        curves: of one experiment.
        names: figures to draw; those that were not logged are left out.
        title: over all panels.
        path: of the PNG, written only if something is drawn.

    Returns:
        The names drawn.
    """
    drawn = [name for name in names if any(name in part for part in curves.values())]
    if not drawn:
        return []
    columns = min(3, len(drawn))
    rows = -(-len(drawn) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(3.4 * columns, 2.4 * rows), squeeze=False
    )
    for axis in axes.flat[len(drawn) :]:
        axis.axis("off")
    for axis, name in zip(axes.flat, drawn):
        for part, series in curves.items():
            if name in series:
                epochs, values = zip(*series[name])
                axis.plot(epochs, values, label=part, marker=".", markersize=4)
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes.flat[0].legend(fontsize=7)
    figure.suptitle(title, fontsize=10)
    _save(figure, path)
    return drawn


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=110, bbox_inches="tight")
    pyplot.close(figure)
