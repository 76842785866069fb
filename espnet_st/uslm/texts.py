"""Padded texts: what they hold, what is refused, and how two become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_st.uslm.positions import frame_index


@dataclass
class TextBatch:
    """Padded texts and the positions of their tokens.

    Attributes:
        ids: Token ids (B, S).
        lengths: Number of tokens (B,).
        positions: Position of each token (B, S).
        durations: Predicted frames of each state (B, S + 2): of the tokens, and of the
            silences before and after them. None if they were not predicted.
    """

    ids: Tensor
    lengths: Tensor
    positions: Tensor
    durations: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """Give ids, lengths and positions, in the order that the models take."""
        return self.ids, self.lengths, self.positions

    def select(self, rows: Sequence[int]) -> TextBatch:
        """Take the texts of these rows, a row as often as it is named."""
        durations = None if self.durations is None else self.durations[rows]
        return TextBatch(
            self.ids[rows], self.lengths[rows], self.positions[rows], durations
        )

    def keep_where(self, rows: Tensor) -> TextBatch:
        """Empty all texts but those of the rows (B,) that are True."""
        return TextBatch(self.ids, self.lengths * rows, self.positions)


def check_text(text: Tensor, lengths: Tensor, vocab_size: int) -> None:
    """Refuse padded texts (B, S) of which one is empty or has unknown tokens.

    Raises:
        ValueError: If a text is empty, or a token is out of range.
    """
    if int(lengths.min()) < 1:
        raise ValueError("a text is empty: give at least one token")
    if int(text.min()) < 0 or int(text.max()) >= vocab_size:
        raise ValueError(
            f"text tokens lie in [{int(text.min())}, {int(text.max())}]: expected "
            f"0 to {vocab_size - 1}; is the token list the model's?"
        )


def pad_texts(texts: Sequence[Tensor]) -> TextBatch:
    """Pad texts (S_i,); the position of a token is its index."""
    lengths = torch.tensor([len(text) for text in texts], device=texts[0].device)
    ids = pad_sequence(list(texts), batch_first=True)
    return TextBatch(ids, lengths, frame_index(ids))


def concatenate(first: TextBatch, second: TextBatch, offsets: Tensor) -> TextBatch:
    """Append the second texts to the first, row by row.

    Args:
        first: Texts of B rows.
        second: Texts of B rows.
        offsets: Added to the positions of the second texts (B,).

    Returns:
        Texts without durations.
    """
    ids, positions = [], []
    sizes = zip(first.lengths.tolist(), second.lengths.tolist())
    for row, (a, b) in enumerate(sizes):
        ids.append(torch.cat([first.ids[row, :a], second.ids[row, :b]]))
        moved = second.positions[row, :b] + offsets[row]
        positions.append(torch.cat([first.positions[row, :a], moved]))
    return TextBatch(
        pad_sequence(ids, batch_first=True),
        first.lengths + second.lengths,
        pad_sequence(positions, batch_first=True),
    )
