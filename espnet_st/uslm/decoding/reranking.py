"""Selection of the best of several candidates for a text."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_st.uslm.aligner import TextAligner
from espnet_st.uslm.decoding.ar import ARHypothesis


def select_best(
    text: Tensor,
    lengths: Tensor,
    hypotheses: list[ARHypothesis],
    nbest: int,
    aligner: TextAligner | None,
) -> list[ARHypothesis]:
    """Select the best of each `nbest` hypotheses in a row.

    A hypothesis with frames is better than one without, one that ended better than one
    that was cut. Then the score counts, and with an aligner also how well the codes fit
    the text, because the score alone hardly tells right words from wrong ones.

    Args:
        text: Token ids of each hypothesis (B, S), padded.
        lengths: Number of tokens (B,).
        hypotheses: Candidates (B,).
        nbest: How many of them belong to one text.
        aligner: The model's aligner, if it has one.

    Returns:
        The best hypothesis of each text (B / nbest,).
    """
    if nbest == 1:
        return hypotheses
    fits = [0.0] * len(hypotheses)
    if aligner is not None:
        codes = [one.codes for one in hypotheses]
        frames = torch.tensor([len(one) for one in codes], device=text.device)
        padded = pad_sequence(codes, batch_first=True)
        fits = aligner.log_likelihood(text, lengths, padded, frames).tolist()
    merits = [
        (len(one.codes) > 0, not one.truncated, one.score + fit)
        for one, fit in zip(hypotheses, fits)
    ]
    return [
        hypotheses[max(range(first, first + nbest), key=merits.__getitem__)]
        for first in range(0, len(hypotheses), nbest)
    ]
