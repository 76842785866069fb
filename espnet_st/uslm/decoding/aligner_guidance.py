"""Guidance by an aligner: the AR model prefers codes that suit the text of a frame.

Guidance by a classifier (Dhariwal and Nichol, 2021, "Diffusion models beat GANs on
image synthesis", section 4): to the score of code c at frame t comes, times a scale,
log p(text at t | c), which is log p(c | text at t) - log p(c) and the same for all
codes. Both come from the aligner's table; what sounds at t, from the foreseen lengths.
"""

from functools import partial

import torch

from espnet_st.uslm.aligner import TextAligner
from espnet_st.uslm.decoding.ar import Continuation
from espnet_st.uslm.texts import Texts

SOFTNESS = 1.0
"""A token counts 1/e as much at each frame farther from where it is to sound."""


class AlignerGuidance:
    """A continuation whose scores follow the text more closely.

    The end keeps its probability: the scores of the codes are moved together so that
    their sum of probabilities stays.

    Args:
        future: The continuation, of rows (B,).
        aligner: The model's.
        scale: What log p(text | code) is multiplied with.
        texts: What is to be said, with the frames that it is expected to take.

    Attributes:
        logits: As of `Continuation`.
    """

    def __init__(
        self, future: Continuation, aligner: TextAligner, scale: float, texts: Texts
    ):
        self._future, self._scale = future, scale
        self._fits = aligner.odds()[aligner.states(texts.ids, texts.lengths)]
        self._ends = texts.spans.cumsum(dim=1)
        self._starts = self._ends - texts.spans
        # The silence at the end lasts, and nothing comes after it.
        last = texts.lengths.unsqueeze(1) + 1
        order = torch.arange(self._ends.shape[1], device=last.device)
        self._ends = self._ends.masked_fill(order >= last, float("inf"))
        self._starts = self._starts.masked_fill(order > last, float("inf"))
        self._step = 0
        self._tilt()

    def _tilt(self):
        time = self._step + 0.5
        away = torch.maximum(self._starts - time, time - self._ends).clamp(min=0)
        near = torch.exp(-away / SOFTNESS)
        near = near / near.sum(dim=1, keepdim=True)
        fit = torch.bmm(near.unsqueeze(1), self._fits).squeeze(1).log()
        codes = self._future.logits[:, :-1]
        wanted = codes + self._scale * fit
        wanted += codes.logsumexp(1, keepdim=True) - wanted.logsumexp(1, keepdim=True)
        self.logits = torch.cat([wanted, self._future.logits[:, -1:]], dim=1)

    def append(self, codes: torch.Tensor) -> None:
        """As `Continuation.append`."""
        self._future.append(codes)
        self._step += 1
        self._tilt()

    def keep(self, rows: torch.Tensor) -> None:
        """As `Continuation.keep`."""
        self._future.keep(rows)
        self._fits = self._fits[rows]
        self._starts, self._ends = self._starts[rows], self._ends[rows]


def make_guide(
    aligner: TextAligner | None, scale: float, texts: Texts
) -> partial[AlignerGuidance] | None:
    """Give what `generate` needs to follow these texts; None for a scale of 0.

    Raises:
        ValueError: If the model has no aligner.
    """
    if scale == 0:
        return None
    if aligner is None:
        raise ValueError(
            f"align_scale is {scale}, and this model has no aligner: leave it 0, or "
            "train with tts_conf: align: true"
        )
    return partial(AlignerGuidance, aligner=aligner, scale=scale, texts=texts)
