"""Which of several continuations of a text is taken."""

import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_st.uslm.aligner import TextAligner
from espnet_st.uslm.decoding.ar import ARHypothesis


def choose(
    text: torch.Tensor,
    lengths: torch.Tensor,
    drawn: list[ARHypothesis],
    count: int,
    aligner: TextAligner | None,
) -> list[ARHypothesis]:
    """Take the best of each `count` candidates in a row.

    Sound comes before none, what ended before what was cut; then an aligner adds to
    the score how well the codes fit the text, for the score alone hardly tells right
    words from wrong ones.

    Args:
        text: Token ids of each candidate (B, S), padded.
        lengths: Number of tokens (B,).
        drawn: Candidates (B,).
        count: How many of them are of one text.
        aligner: That of the model, if it has one.
    """
    if count == 1:
        return drawn
    fits = [0.0] * len(drawn)
    if aligner is not None:
        codes = [one.codes for one in drawn]
        frames = torch.tensor([len(one) for one in codes], device=text.device)
        codes = pad_sequence(codes, batch_first=True)
        fits = aligner.fit(text, lengths, codes, frames).tolist()
    merits = [
        (len(one.codes) > 0, not one.truncated, one.score + fit)
        for one, fit in zip(drawn, fits)
    ]
    return [
        drawn[max(range(first, first + count), key=merits.__getitem__)]
        for first in range(0, len(drawn), count)
    ]
