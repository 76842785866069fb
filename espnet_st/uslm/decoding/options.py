"""How to decode: what a user may choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from espnet_st.uslm.decoding.sampling import Sampling


@dataclass
class DecodingOptions(Sampling):
    """Options of the AR model's sampling, and of what is around it. NAR is greedy.

    Attributes:
        nbest: Candidates drawn for each text; `reranking.select_best` takes one.
        minlenratio: Fewest frames per text token.
        maxlenratio: Most frames per text token.
        ar_prompt: Whether the AR model continues the prompt's semantic codes and text,
            as in the paper, or only the NAR model gets them.
        seeds: A seed for each text: the same text, prompt and seed give the same codes
            in any batch. 0 by default.
    """

    nbest: int = 1
    minlenratio: float = 0.0
    maxlenratio: float = 20.0
    ar_prompt: bool = True
    seeds: Sequence[int] = ()

    def check(self) -> None:
        """Refuse options that are out of range.

        Raises:
            ValueError: If one is, with its name and its range.
        """
        super().check()
        if self.nbest < 1:
            raise ValueError(f"nbest is {self.nbest}: give 1 or more")
        if not 0 <= self.minlenratio <= self.maxlenratio:
            raise ValueError(
                f"minlenratio is {self.minlenratio}, maxlenratio {self.maxlenratio}: "
                "give two numbers from 0, the smaller one first"
            )
