"""Guidance by the aligner: scores of codes that suit the text of a frame are raised.

Guidance by a classifier (Dhariwal and Nichol, 2021, "Diffusion models beat GANs on
image synthesis", section 4): log p(text at t | c), times a scale, is added to the score
of code c at frame t. It is log p(c | text at t) - log p(c) plus a number that is the
same for all codes. Both come from the aligner's table; which token is spoken at t comes
from the predicted durations.
"""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_st.uslm.aligner import TextAligner
from espnet_st.uslm.texts import TextBatch

SOFTNESS = 1.0
"""The weight of a token falls to 1/e with so many frames of distance from its span."""


class AlignerGuidance:
    """A logits processor for the AR loop: codes follow the text more closely.

    The probability of the end stays: the scores of all codes are moved together so that
    the sum of their probabilities stays.

    Args:
        aligner: The model's aligner.
        scale: Factor of log p(text | code).
        texts: Texts to speak (B,), with their predicted durations.
    """

    def __init__(self, aligner: TextAligner, scale: float, texts: TextBatch) -> None:
        assert texts.durations is not None, "texts without predicted durations"
        self._scale = scale
        states = aligner.state_ids(texts.ids, texts.lengths)
        self._ratios = aligner.likelihood_ratios()[states]  # (B, S + 2, K)
        ends = texts.durations.cumsum(dim=1)
        starts = ends - texts.durations
        # The last silence has no end, and no state comes after it.
        last = texts.lengths.unsqueeze(1) + 1
        order = torch.arange(ends.shape[1], device=last.device)
        self._ends = ends.masked_fill(order >= last, float("inf"))
        self._starts = starts.masked_fill(order > last, float("inf"))

    def __call__(self, logits: Tensor, step: int) -> Tensor:
        """Raise the scores of codes that suit the text at frame `step`.

        Args:
            logits: Scores of the next code and of the end (B, K + 1).
            step: Index of the frame, from 0.

        Returns:
            New scores (B, K + 1).
        """
        time = step + 0.5
        distance = torch.maximum(self._starts - time, time - self._ends).clamp(min=0)
        weights = torch.exp(-distance / SOFTNESS)
        weights = weights / weights.sum(dim=1, keepdim=True)
        ratios = torch.bmm(weights.unsqueeze(1), self._ratios).squeeze(1)
        codes = logits[:, :-1]
        guided = codes + self._scale * ratios.log()
        guided += codes.logsumexp(1, keepdim=True) - guided.logsumexp(1, keepdim=True)
        return torch.cat([guided, logits[:, -1:]], dim=1)

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows (n,), in this order."""
        self._ratios = self._ratios[rows]
        self._starts, self._ends = self._starts[rows], self._ends[rows]


def make_guidance(
    aligner: TextAligner | None, scale: float, texts: TextBatch
) -> list[AlignerGuidance]:
    """Make the logits processors that guide by an aligner.

    Args:
        aligner: The model's aligner, if it has one.
        scale: As of `AlignerGuidance`; 0 is no guidance.
        texts: As of `AlignerGuidance`.

    Returns:
        One processor; none for a scale of 0.

    Raises:
        ValueError: If the model has no aligner.
    """
    if scale == 0:
        return []
    if aligner is None:
        raise ValueError(
            f"align_scale is {scale}, and this model has no aligner: leave it 0, or "
            "train with tts_conf: align: true"
        )
    return [AlignerGuidance(aligner, scale, texts)]
