"""A batch of utterances, and the losses of the two models on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from espnet_st.uslm.positions import valid_mask
from espnet_st.uslm.training.losses import (
    IGNORED,
    code_losses,
    layer_statistics,
    mean_loss,
    statistics,
    tally,
)

if TYPE_CHECKING:
    from espnet_st.uslm.ar import AutoregressiveModel
    from espnet_st.uslm.nar import NonAutoregressiveModel

Loss = tuple[torch.Tensor, dict[str, torch.Tensor]]
"""A scalar, and statistics."""


@dataclass
class Utterances:
    """Padded texts and what they sound like.

    Attributes:
        text: Token ids (B, S).
        text_lengths: Number of tokens (B,).
        positions: Where they stand (B, S).
        codes: Codes (n_q, B, T).
        lengths: Frames (B,).
    """

    text: torch.Tensor
    text_lengths: torch.Tensor
    positions: torch.Tensor
    codes: torch.Tensor
    lengths: torch.Tensor


def ar_loss(ar: AutoregressiveModel, batch: Utterances) -> Loss:
    """Mean cross-entropy of semantic codes and ends (paper, section 3.4, AR)."""
    logits = ar(batch.text, batch.text_lengths, batch.positions, batch.codes[0])
    targets = ar.targets(batch.codes[0], batch.lengths)
    losses = code_losses(logits, targets)
    return mean_loss(losses, targets), statistics("ar", tally(logits, targets, losses))


def nar_loss(
    nar: NonAutoregressiveModel,
    batch: Utterances,
    prompt: torch.Tensor,
    passes: list[torch.Tensor],
) -> Loss:
    """Mean cross-entropy of acoustic codes after the prompt (paper, section 3.4, NAR).

    Args:
        nar: The model.
        batch: The utterances.
        prompt: True at the frames of prompts (B, T).
        passes: Layers asked of the rows (B,), 1 to n_q - 1, in one pass or several;
            each counts alike.
    """
    rows = torch.arange(len(batch.text), device=batch.text.device)
    wanted = valid_mask(batch.lengths, batch.codes.shape[2]) & ~prompt
    means, sums = [], []
    for stages in passes:
        logits = nar(
            batch.text,
            batch.text_lengths,
            batch.positions,
            batch.codes,
            batch.lengths,
            prompt,
            stages,
        )
        targets = batch.codes[stages, rows].masked_fill(~wanted, IGNORED)
        losses = code_losses(logits, targets)
        means.append(mean_loss(losses, targets))
        sums.append(tally(logits, targets, losses))
    sums, stages = torch.cat(sums, dim=1), torch.cat(passes)
    return torch.stack(means).mean(), layer_statistics(sums, stages, nar.n_q)
