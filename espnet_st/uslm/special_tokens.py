"""Tokens that stand around texts: before, between prompt and target, and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from espnet_st.uslm.decoding.synthesizer import Prompt


class SpecialTokens(NamedTuple):
    """Ids of the tokens around a text.

    Attributes:
        first: Goes before everything.
        between: Goes between the text of a prompt and that to speak.
        last: Goes after everything.
    """

    first: int
    between: int
    last: int

    @classmethod
    def of(cls, ids: Sequence[int] | None, vocab_size: int) -> SpecialTokens | None:
        """Marks of given ids, if there are any.

        Raises:
            ValueError: If they are not three tokens.
        """
        if not ids:
            return None
        if len(ids) != 3 or not all(0 <= mark < vocab_size for mark in ids):
            raise ValueError(
                f"text_marks are {ids}: give three ids from 0 to {vocab_size - 1}"
            )
        return cls(*ids)

    def around(
        self, text: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mark whole texts.

        Args:
            text: Token ids (B, S), padded.
            lengths: Number of tokens (B,).

        Returns:
            Token ids (B, S + 2), lengths (B,).
        """
        marked = F.pad(text, (1, 1))
        marked[:, 0] = self.first
        marked.scatter_(1, (lengths + 1).unsqueeze(1), self.last)
        return marked, lengths + 2

    def place(
        self,
        texts: Sequence[torch.Tensor | None],
        prompts: Sequence[Prompt | None],
        continued: bool,
    ) -> tuple[list[torch.Tensor | None], list[Prompt | None]]:
        """Mark texts to speak and those of their prompts.

        Args:
            texts: Token ids (S_i,), or None for a text that is not known.
            prompts: What goes before; one without words stays as it is.
            continued: Whether the AR model hears the prompts, or begins anew.

        Returns:
            Both, marked.
        """
        spoken, heard = [], []
        for text, prompt in zip(texts, prompts, strict=True):
            known = prompt is not None and prompt.text is not None
            known = known and min(len(prompt.text), prompt.codes.shape[1]) > 0
            before = [] if known and continued else [self.first]
            if text is not None:
                text = _joined(before, text, [self.last])
            spoken.append(text)
            if known:
                words = _joined([self.first], prompt.text, [self.between])
                prompt = replace(prompt, text=words)
            heard.append(prompt)
        return spoken, heard


def _joined(before: list[int], text: torch.Tensor, after: list[int]) -> torch.Tensor:
    return torch.cat([text.new_tensor(before), text, text.new_tensor(after)])
