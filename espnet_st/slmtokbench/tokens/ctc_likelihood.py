"""Likelihoods of many texts under CTC for one utterance, fast on a CPU.

`torch.nn.functional.ctc_loss` goes through its states one by one; here one step of the
forward recursion is a few operations over all states of a block of texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BLANK = 0
BLOCK = 32768
"""States of a block of texts: what stays in a core's cache."""


class TextBlocks:
    """Hold texts in blocks of like length, as the recursion reads them.

    Args:
        texts: N label sequences, none empty, labels from 1.

    Raises:
        ValueError: If a text is empty.
    """

    def __init__(self, texts: Sequence[Sequence[int]]):
        if any(not len(text) for text in texts):
            raise ValueError("an empty text has no labels; leave it out")
        self.n_texts = len(texts)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        self.blocks: list[tuple[Tensor, Tensor, Tensor]] = []
        while order:
            size = max(1, BLOCK // len(texts[order[-1]]))
            indices, order = order[-size:], order[:-size]
            lengths = torch.tensor([len(texts[index]) for index in indices])
            labels = torch.zeros(int(lengths.max()), len(indices), dtype=torch.long)
            for column, index in enumerate(indices):
                labels[: len(texts[index]), column] = torch.as_tensor(texts[index])
            self.blocks.append((torch.tensor(indices), labels, lengths))

    def log_likelihoods(self, log_probs: Tensor) -> Tensor:
        """Compute log q(y_j | x) of all texts for one utterance.

        Args:
            log_probs: (T, V) log-probabilities, blank first. float32 agrees with
                float64 within 1e-5 of the magnitude plus 1e-3.

        Returns:
            (N,) in nats; -inf for a text that has no path through so few frames.
        """
        found = log_probs.new_empty(self.n_texts)
        for indices, labels, lengths in self.blocks:
            found[indices] = _forward(log_probs, labels, lengths)
        return found


def _forward(log_probs: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
    """Run the forward recursion of CTC (Graves et al., 2006, section 4.1).

    Args:
        log_probs: (T, V).
        labels: (S, N), padded.
        lengths: (N,).

    Returns:
        (N,) log-likelihoods.
    """
    size, n = labels.shape
    flat = labels.reshape(-1)
    repeats = torch.zeros_like(labels, dtype=torch.bool)
    repeats[1:] = labels[1:] == labels[:-1]
    any_repeat = bool(repeats.any())
    # blanks[k] stands before label k, blanks[k + 1] behind it.
    blanks = log_probs.new_full((size + 1, n), -torch.inf)
    on = log_probs.new_full((size, n), -torch.inf)
    blanks[0] = log_probs[0, BLANK]
    on[0] = log_probs[0, labels[0]]
    emitted = torch.empty_like(on)
    stay, after = torch.empty_like(on), torch.empty_like(blanks)
    for frame in log_probs[1:]:
        after[0] = blanks[0]
        torch.logaddexp(blanks[1:], on, out=after[1:])
        # A label follows its predecessor at once unless both are the same.
        before = after[:-1]
        if any_repeat:
            before = torch.where(repeats, blanks[:-1], before)
        torch.logaddexp(on, before, out=stay)
        torch.index_select(frame, 0, flat, out=emitted.view(-1))
        torch.add(stay, emitted, out=on)
        torch.add(after, frame[BLANK], out=blanks)
    columns = torch.arange(n)
    return torch.logaddexp(on[lengths - 1, columns], blanks[lengths, columns])
