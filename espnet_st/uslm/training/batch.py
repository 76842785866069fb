"""Training batches, and the losses of the two models on them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_st.masks import valid_mask
from espnet_st.uslm.ar import AutoregressiveModel
from espnet_st.uslm.nar import NonAutoregressiveModel
from espnet_st.uslm.training.losses import (
    IGNORED,
    code_losses,
    layer_statistics,
    mean_loss,
    row_totals,
    statistics,
)

Loss = tuple[Tensor, dict[str, Tensor]]
"""A scalar, and statistics."""


@dataclass
class TrainingBatch:
    """Padded texts and their codes.

    Attributes:
        text: Token ids (B, S).
        text_lengths: Number of tokens (B,).
        positions: Position of each token (B, S).
        codes: Codes (n_q, B, T).
        lengths: Frames (B,).
    """

    text: Tensor
    text_lengths: Tensor
    positions: Tensor
    codes: Tensor
    lengths: Tensor


def ar_loss(ar: AutoregressiveModel, batch: TrainingBatch) -> Loss:
    """Average the cross-entropy of semantic codes and ends (paper, section 3.4, AR)."""
    logits = ar(batch.text, batch.text_lengths, batch.positions, batch.codes[0])
    targets = ar.targets(batch.codes[0], batch.lengths)
    losses = code_losses(logits, targets)
    totals = row_totals(logits, targets, losses)
    return mean_loss(losses, targets), statistics("ar", totals)


def nar_loss(
    nar: NonAutoregressiveModel,
    batch: TrainingBatch,
    prompt_mask: Tensor,
    passes: list[Tensor],
) -> Loss:
    """Average the cross-entropy of acoustic codes (paper, section 3.4, NAR).

    Args:
        nar: The model.
        batch: The utterances.
        prompt_mask: True at the frames of prompts (B, T), which do not count.
        passes: Layers to predict of the rows (B,), 1 to n_q - 1, in one pass or
            several; each pass has the same weight.

    Returns:
        Loss and statistics of each layer.
    """
    rows = torch.arange(len(batch.text), device=batch.text.device)
    target_mask = valid_mask(batch.lengths, batch.codes.shape[2]) & ~prompt_mask
    means, sums = [], []
    for stages in passes:
        logits = nar(
            batch.text,
            batch.text_lengths,
            batch.positions,
            batch.codes,
            batch.lengths,
            prompt_mask,
            stages,
        )
        targets = batch.codes[stages, rows].masked_fill(~target_mask, IGNORED)
        losses = code_losses(logits, targets)
        means.append(mean_loss(losses, targets))
        sums.append(row_totals(logits, targets, losses))
    totals, layers = torch.cat(sums, dim=1), torch.cat(passes)
    return torch.stack(means).mean(), layer_statistics(totals, layers, nar.n_q)
