"""Padded texts: what is refused, where they sound, and one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_st.uslm.aligner import centres
from espnet_st.uslm.positions import frame_index

if TYPE_CHECKING:
    from espnet_st.uslm.uslm import USLM


@dataclass
class Texts:
    """Padded texts.

    Attributes:
        ids: Token ids (B, S).
        lengths: Number of tokens (B,).
        positions: Where they stand (B, S).
        spans: Frames that their states are expected to take (B, S + 2), silences
            included, where that was foreseen.
    """

    ids: torch.Tensor
    lengths: torch.Tensor
    positions: torch.Tensor
    spans: torch.Tensor | None = None

    def given(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All three, as the models take them."""
        return self.ids, self.lengths, self.positions

    def take(self, rows: Sequence[int]) -> Texts:
        """These of the texts, as often as they are named."""
        spans = None if self.spans is None else self.spans[rows]
        return Texts(self.ids[rows], self.lengths[rows], self.positions[rows], spans)

    def only(self, rows: torch.Tensor) -> Texts:
        """The texts of some rows (B,), boolean, and nothing of the others."""
        return Texts(self.ids, self.lengths * rows, self.positions)


def check_text(text: torch.Tensor, lengths: torch.Tensor, vocab_size: int) -> None:
    """Refuse padded texts (B, S) of which one is empty or not of these tokens.

    Raises:
        ValueError: Saying which range was expected.
    """
    if int(lengths.min()) < 1:
        raise ValueError("a text is empty: give at least one token")
    if int(text.min()) < 0 or int(text.max()) >= vocab_size:
        raise ValueError(
            f"text tokens lie in [{int(text.min())}, {int(text.max())}]: expected "
            f"0 to {vocab_size - 1}; is the token list the model's?"
        )


def pad_texts(texts: list[torch.Tensor]) -> Texts:
    """Padded texts, their tokens numbered."""
    lengths = torch.tensor([len(text) for text in texts], device=texts[0].device)
    ids = pad_sequence(texts, batch_first=True)
    return Texts(ids, lengths, frame_index(ids))


def join(first: Texts, second: Texts, offsets: torch.Tensor) -> Texts:
    """Put texts after each other, the second's positions moved by offsets (B,)."""
    ids, places = [], []
    for row, (a, b) in enumerate(zip(first.lengths.tolist(), second.lengths.tolist())):
        ids.append(torch.cat([first.ids[row, :a], second.ids[row, :b]]))
        later = second.positions[row, :b] + offsets[row]
        places.append(torch.cat([first.positions[row, :a], later]))
    return Texts(
        pad_sequence(ids, batch_first=True),
        first.lengths + second.lengths,
        pad_sequence(places, batch_first=True),
    )


def align(
    model: USLM, texts: Texts, codes: torch.Tensor, frames: torch.Tensor
) -> Texts:
    """Place texts where they sound in semantic codes (B, T) of so many frames (B,)."""
    if model.aligner is None:
        return texts
    where = model.aligner.place(texts.ids, texts.lengths, codes, frames)
    return Texts(texts.ids, texts.lengths, where)


def predict_durations(
    model: USLM, texts: Texts, prompts: Texts, prompt_frames: torch.Tensor
) -> Texts:
    """Place texts where they would sound at the pace of their prompts.

    A prompt whose words are not known tells no pace: tokens take their mean lengths.
    """
    if model.aligner is None:
        return texts
    usual = model.aligner.expected(prompts.ids, prompts.lengths).sum(dim=1)
    pace = torch.where(prompts.lengths > 0, prompt_frames / usual, 1.0)
    spans = model.aligner.expected(texts.ids, texts.lengths) * pace.unsqueeze(1)
    where = centres(spans, spans.sum(dim=1))
    return Texts(texts.ids, texts.lengths, where, spans)
