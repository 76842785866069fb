"""Losses and accuracies of the AR and NAR models (paper, section 3.4).

Functions of scores and of what they should be; who is asked what is decided in
`uslm.py` and `nar_training.py`.
"""

import torch
import torch.nn.functional as F

IGNORED = -100
"""Target where nothing is asked."""


def code_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each code, a summand of the paper's equations of both models.

    Args:
        logits: (B, T, V), of any precision; the result is of float32.
        targets: (B, T), `IGNORED` where nothing is asked.

    Returns:
        (B, T), 0 where nothing is asked.
    """
    losses = F.cross_entropy(
        logits.float().flatten(0, 1),
        targets.flatten(),
        ignore_index=IGNORED,
        reduction="none",
    )
    return losses.view_as(targets)


def mean_loss(losses: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over the codes asked for, of what `code_losses` gave."""
    return losses.sum() / (targets != IGNORED).sum()


@torch.no_grad()
def tally(
    logits: torch.Tensor, targets: torch.Tensor, losses: torch.Tensor
) -> torch.Tensor:
    """Add up each row's figures, for `statistics`.

    Args:
        logits: As in `code_losses`.
        targets: As in `code_losses`.
        losses: What it gave.

    Returns:
        (4, B): codes asked for, their losses, how many of them are the likeliest, and
        how many have fewer than ten likelier ones.
    """
    asked = targets != IGNORED
    wanted = logits.gather(-1, targets.clamp(min=0).unsqueeze(-1))
    first = (logits.argmax(dim=-1) == targets) & asked
    ten = ((logits > wanted).sum(dim=-1) < 10) & asked
    return torch.stack(
        [part.float().sum(dim=1) for part in (asked, losses, first, ten)]
    )


def statistics(name: str, sums: torch.Tensor) -> dict[str, torch.Tensor]:
    """Name the means of what `tally` added up.

    Args:
        name: Whose they are.
        sums: (4,) or (4, B).

    Returns:
        `loss_NAME`, `acc_NAME` and `acc_NAME_top10`; NaN if nothing was asked.
    """
    asked, loss, first, ten = sums.reshape(4, -1).sum(dim=1)
    return {
        f"loss_{name}": loss / asked,
        f"acc_{name}": first / asked,
        f"acc_{name}_top10": ten / asked,
    }


def layer_statistics(
    sums: torch.Tensor, stages: torch.Tensor, n_q: int
) -> dict[str, torch.Tensor]:
    """Statistics of all NAR layers together (`nar`), and of each (`nar_2` and on).

    Args:
        sums: (4, B), from `tally`.
        stages: Which layer each row was asked for (B,), 1 to n_q - 1.
        n_q: Number of codebooks.
    """
    of_layers = sums @ F.one_hot(stages - 1, n_q - 1).to(sums)
    stats = statistics("nar", sums)
    for layer in range(2, n_q + 1):
        stats |= statistics(f"nar_{layer}", of_layers[:, layer - 2])
    return stats
