"""Losses and accuracies of the AR and NAR models (paper, section 3.4).

Functions of scores and targets; `nar_plan` decides which codes are targets.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -100
"""Target of frames that do not count."""


def code_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the cross-entropy of each code, a summand of the paper's equations.

    Args:
        logits: (B, T, V), of any precision; the result is of float32.
        targets: (B, T), `IGNORED` where a frame does not count.

    Returns:
        (B, T), 0 where a frame does not count.
    """
    losses = F.cross_entropy(
        logits.float().flatten(0, 1),
        targets.flatten(),
        ignore_index=IGNORED,
        reduction="none",
    )
    return losses.view_as(targets)


def mean_loss(losses: Tensor, targets: Tensor) -> Tensor:
    """Average the result of `code_losses` over the frames that count."""
    return losses.sum() / (targets != IGNORED).sum()


@torch.no_grad()
def row_totals(logits: Tensor, targets: Tensor, losses: Tensor) -> Tensor:
    """Add up what `statistics` needs over the frames of each row.

    Args:
        logits: As in `code_losses`.
        targets: As in `code_losses`.
        losses: Result of `code_losses`.

    Returns:
        (4, B): number of targets, their losses, how many of them have the highest
        score, and how many have fewer than ten scores above theirs.
    """
    counted = targets != IGNORED
    target_scores = logits.gather(-1, targets.clamp(min=0).unsqueeze(-1))
    first = (logits.argmax(dim=-1) == targets) & counted
    ten = ((logits > target_scores).sum(dim=-1) < 10) & counted
    return torch.stack(
        [part.float().sum(dim=1) for part in (counted, losses, first, ten)]
    )


def statistics(name: str, totals: Tensor) -> dict[str, Tensor]:
    """Compute means of what `row_totals` added up.

    Args:
        name: Of the model or layer.
        totals: (4,) or (4, B).

    Returns:
        `loss_NAME`, `acc_NAME` and `acc_NAME_top10`; NaN if there was no target.
    """
    counted, loss, first, ten = totals.reshape(4, -1).sum(dim=1)
    return {
        f"loss_{name}": loss / counted,
        f"acc_{name}": first / counted,
        f"acc_{name}_top10": ten / counted,
    }


def layer_statistics(totals: Tensor, stages: Tensor, n_q: int) -> dict[str, Tensor]:
    """Compute statistics of all NAR layers together, and of each.

    Args:
        totals: (4, B), from `row_totals`.
        stages: The layer that each row predicts (B,), 1 to n_q - 1.
        n_q: Number of codebooks.

    Returns:
        Statistics called `nar`, and `nar_2` to `nar_N` of the layers.
    """
    of_layers = totals @ F.one_hot(stages - 1, n_q - 1).to(totals)
    stats = statistics("nar", totals)
    for layer in range(2, n_q + 1):
        stats |= statistics(f"nar_{layer}", of_layers[:, layer - 2])
    return stats
