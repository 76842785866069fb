"""Limits of texts and codes that a model can take."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_st.codes import check_codes
from espnet_st.uslm.decoding.prompts import Prompt
from espnet_st.uslm.texts import check_text


@dataclass(frozen=True)
class Limits:
    """What texts and codes of a model may be.

    Attributes:
        n_q: Number of codebooks.
        codebook_size: Entries of each codebook.
        vocab_size: Number of text tokens.
        max_frames: Most frames of prompt and new codes together.
    """

    n_q: int
    codebook_size: int
    vocab_size: int
    max_frames: int

    def check_request(self, text: Tensor | None, prompt: Prompt | None) -> None:
        """Refuse a text or a prompt that the model cannot take.

        Args:
            text: Token ids (S,), or None for a text that is not known.
            prompt: The prompt, if there is one.

        Raises:
            ValueError: If the text is empty, tokens or codes are out of range, or the
                prompt leaves no frame below `max_frames`.
        """
        if text is not None:
            check_text(text[None], torch.tensor([len(text)]), self.vocab_size)
        if prompt is None:
            return
        check_codes(prompt.codes, self.codebook_size, self.n_q)
        frames = prompt.codes.shape[1]
        if frames and prompt.text is not None:
            size = torch.tensor([len(prompt.text)])
            check_text(prompt.text[None], size, self.vocab_size)
        if frames >= self.max_frames:
            raise ValueError(
                f"the prompt has {frames} frames: give fewer than max_frames, "
                f"{self.max_frames}; some 3 seconds are enough"
            )

    def check_source(self, semantic: Tensor, prompt: Prompt | None) -> None:
        """Refuse semantic codes (T,) that cannot be converted to a prompt's voice.

        Raises:
            ValueError: If codes are out of range, one of both has no frames, or both
                together are longer than `max_frames`.
        """
        check_codes(semantic[None], self.codebook_size)
        frames = len(semantic), 0 if prompt is None else prompt.codes.shape[1]
        if min(frames) == 0 or sum(frames) > self.max_frames:
            raise ValueError(
                f"{frames[0]} frames in a voice of {frames[1]}: give some of both, "
                f"together at most max_frames, {self.max_frames}"
            )
