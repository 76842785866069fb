"""Special tokens: around texts, between prompt and target, in place of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from espnet_st.uslm.decoding.prompts import Prompt

NO_TEXT = 0
"""Token (`<blank>`) that replaces each token of a text that a model must not see: in
training with `text_dropout`, and in the unconditional pass of guidance."""


class SpecialTokens(NamedTuple):
    """Ids of the tokens around a text.

    Attributes:
        first: Goes before everything.
        between: Goes between the text of a prompt and the text to speak.
        last: Goes after everything.
    """

    first: int
    between: int
    last: int

    @classmethod
    def from_ids(
        cls, ids: Sequence[int] | None, vocab_size: int
    ) -> SpecialTokens | None:
        """Make special tokens of the setting `text_marks`; None for none.

        Raises:
            ValueError: If they are not three tokens of the vocabulary.
        """
        if not ids:
            return None
        if len(ids) != 3 or not all(0 <= token < vocab_size for token in ids):
            raise ValueError(
                f"text_marks are {ids}: give three ids from 0 to {vocab_size - 1}"
            )
        return cls(*ids)

    def surround(self, text: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Put the first and the last token around whole texts.

        Args:
            text: Token ids (B, S), padded.
            lengths: Number of tokens (B,).

        Returns:
            Token ids (B, S + 2), lengths (B,).
        """
        longer = F.pad(text, (1, 1))
        longer[:, 0] = self.first
        longer.scatter_(1, (lengths + 1).unsqueeze(1), self.last)
        return longer, lengths + 2

    def surround_prompted(
        self,
        texts: Sequence[Tensor | None],
        prompts: Sequence[Prompt | None],
        continued: bool,
    ) -> tuple[list[Tensor | None], list[Prompt | None]]:
        """Put special tokens around texts to speak and the texts of their prompts.

        Args:
            texts: Token ids (S_i,), or None for a text that is not known.
            prompts: Prompts of these texts; one without text stays as it is.
            continued: Whether the AR model continues the prompts, or starts anew.

        Returns:
            Texts and prompts with special tokens.
        """
        new_texts: list[Tensor | None] = []
        new_prompts: list[Prompt | None] = []
        for text, prompt in zip(texts, prompts, strict=True):
            prompt_text = None
            if prompt is not None and prompt.codes.shape[1] > 0:
                prompt_text = prompt.text
            known = prompt_text is not None and len(prompt_text) > 0
            if prompt is not None and prompt_text is not None and known:
                longer = _extend([self.first], prompt_text, [self.between])
                prompt = replace(prompt, text=longer)
            if text is not None:
                before = [] if known and continued else [self.first]
                text = _extend(before, text, [self.last])
            new_texts.append(text)
            new_prompts.append(prompt)
        return new_texts, new_prompts


def _extend(before: list[int], text: Tensor, after: list[int]) -> Tensor:
    """Put token ids before and after a text (S,)."""
    return torch.cat([text.new_tensor(before), text, text.new_tensor(after)])
