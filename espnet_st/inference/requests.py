"""Requests to speak: what a batch of texts consists of, and how one can fail."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from espnet_st.uslm.decoding.prompts import Prompt

TRUNCATED = "did not end: cut at its limit (maxlenratio, or the model's max_frames)"


@dataclass
class Request:
    """One utterance to speak.

    Attributes:
        name: Its key.
        parts: Token ids of its parts (S_i,), spoken one by one and concatenated.
        prompt: The voice of all parts, if any.
        seed: Of the draws.
    """

    name: str
    parts: list[Tensor]
    prompt: Prompt | None = None
    seed: int = 0

    @property
    def size(self) -> int:
        """Count the tokens of its longest part."""
        return max(map(len, self.parts))


def ended_at_once(prompt: Prompt | None, ar_prompt: bool) -> ValueError:
    """Make the error of a text for which the model gave no codes.

    Args:
        prompt: The prompt of the text.
        ar_prompt: The option that was in use.
    """
    # Measured on models of the mini recipe. Neither candidates, guidance, a lower
    # top_p nor another seed make fewer texts end at once after a prompt; a minlenratio
    # does, but most words are wrong then.
    advice = "give a minlenratio, the fewest frames per token, or another seed"
    if ar_prompt and prompt is not None and prompt.text is not None:
        advice = (
            "give ar_prompt=False (--ar_prompt false); a model that learnt single "
            "sentences may take the prompt's for all there is to say, so that only its "
            "NAR half should get the prompt"
        )
    return ValueError(f"the model ended at once, whatever was drawn: {advice}")
