"""Mutual information of tokens and text, equations (2) and (3) of the paper.

The variational distribution q(y | x) is a CTC model of characters (`downstream`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

BLANK = 0


def ctc_log_likelihoods(
    log_probs: Tensor,
    input_length: int,
    targets: Tensor,
    target_lengths: Tensor,
) -> Tensor:
    """Compute log q(y_j | x) of many texts for one utterance.

    Args:
        log_probs: (T, V) log-probabilities of each frame of x, blank first.
        input_length: frames of x, at most T.
        targets: (N, S) labels, padded.
        target_lengths: (N,) labels of each text.

    Returns:
        (N,) in nats; -inf for a text that has no path through so few frames.
    """
    n = len(targets)
    return -functional.ctc_loss(
        log_probs[:input_length, None].expand(-1, n, -1).contiguous(),
        targets,
        torch.full((n,), input_length, dtype=torch.long),
        target_lengths,
        blank=BLANK,
        reduction="none",
    )


def log_likelihood_matrix(
    log_probs: Sequence[Tensor], texts: Sequence[Sequence[int]]
) -> Tensor:
    """Compute log q(y_j | x_i) for all pairs.

    Args:
        log_probs: N tensors (T_i, V).
        texts: N label sequences, none empty.

    Returns:
        (N, N) float64, row i for x_i, column j for y_j.
    """
    lengths = torch.tensor([len(text) for text in texts])
    targets = torch.zeros(len(texts), int(lengths.max()), dtype=torch.long)
    for row, text in zip(targets, texts):
        row[: len(text)] = torch.as_tensor(text)
    return torch.stack(
        [
            ctc_log_likelihoods(frames.double(), len(frames), targets, lengths)
            for frames in log_probs
        ]
    )


def mutual_information(log_likelihoods: Tensor) -> dict[str, float]:
    """Estimate equation (3) without bias.

    I = 1 / N^2 sum_i sum_j [log q(y_i | x_i) - log q(y_j | x_i)].

    A text that has no CTC path through x_i has log q = -inf, which would make the
    estimate infinite. Such pairs are left out of the mean, and counted; an utterance
    whose own text has none is left out with its whole row.

    Args:
        log_likelihoods: (N, N) log q(y_j | x_i).

    Returns:
        `mi` in nats per utterance; `infeasible`: per cent of pairs left out, and
        `pairs_left_out`, their number; `pairs`: those in the mean.

    Raises:
        ValueError: the matrix is not square, or no pair is left.
    """
    n, columns = log_likelihoods.shape
    if n != columns:
        raise ValueError(f"Expected N x N log-likelihoods, got {n} x {columns}.")
    own = log_likelihoods.diagonal()[:, None]
    kept = torch.isfinite(log_likelihoods) & torch.isfinite(own)
    if not kept.any():
        raise ValueError("No text has a CTC path through the codes: too few frames.")
    difference = (own - log_likelihoods)[kept]
    return {
        "mi": float(difference.mean()),
        "infeasible": 100.0 * (1.0 - float(kept.double().mean())),
        "pairs": int(kept.sum()),
        "pairs_left_out": int((~kept).sum()),
    }
