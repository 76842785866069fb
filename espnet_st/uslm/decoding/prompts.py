"""Prompts: the voice to speak in, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from espnet_st.uslm.texts import TextBatch


@dataclass
class Prompt:
    """A voice to continue.

    Attributes:
        text: Token ids (S,) of what the prompt says. None if that is not known: then
            only the NAR model gets the prompt.
        codes: Codes (n_q, T) of the prompt.
    """

    text: Tensor | None
    codes: Tensor


@dataclass
class PromptBatch:
    """The prompts of a batch as the models take them.

    Attributes:
        codes: Codes of each prompt (n_q, P_i).
        semantic: Semantic codes of all prompts (B, P), padded.
        lengths: Frames P_i of each prompt (B,).
        texts: Texts of the prompts, empty where they are not known.
    """

    codes: list[Tensor]
    semantic: Tensor
    lengths: Tensor
    texts: TextBatch
