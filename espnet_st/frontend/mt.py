"""A frontend for ESPnet's discrete ASR (asr2): embeddings that know the codec."""

from __future__ import annotations

from pathlib import Path

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from torch import Tensor, nn
from torch.nn.functional import embedding

from espnet_st.inference.code_tokens import CodeTokens


class TokenFrontend(AbsFrontend):
    """Look tokens of codes up in a table that starts from the codec's codebooks.

    A token's first vector is the mean of its codes' vectors, be it one code or a piece
    of several; so tokens that sound alike start alike. Positions are left to the
    encoder's input layer (`input_layer: linear`).

    Args:
        input_size: Tokens of the source list; ESPnet gives it.
        tokens: The directory of tokens that the source list is of.
        vectors: `codebook` keeps these vectors as they are; `learnt` starts from them;
            `random` starts from random ones of width `size`, and learns.
        size: Width of `random` vectors.

    Raises:
        ValueError: If the directory is none of tokens or of another list, or `vectors`
            is of no such kind.
    """

    def __init__(
        self,
        input_size: int,
        tokens: str | Path,
        vectors: str = "learnt",
        size: int = 256,
    ) -> None:
        super().__init__()
        if vectors not in ("codebook", "learnt", "random"):
            raise ValueError(
                f"vectors is {vectors!r}; expected codebook, learnt or random"
            )
        known = CodeTokens.load(tokens)
        if input_size != len(known.list):
            raise ValueError(
                f"--src_token_list has {input_size} tokens, and {tokens} has "
                f"{len(known.list)}: expected --src_token_list {tokens}/tokens.txt"
            )
        table = known.vectors()
        if vectors == "random":
            table = torch.randn(input_size, size) * size**-0.5
        if vectors == "codebook":
            self.register_buffer("table", table)
        else:
            self.table = nn.Parameter(table)

    def output_size(self) -> int:
        """Tell the width of the vectors."""
        return self.table.shape[1]

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Look tokens up.

        Args:
            input: Numbers of tokens (B, T).
            input_lengths: How many of each row count (B,).

        Returns:
            Vectors (B, T, D), and the same lengths.
        """
        return embedding(input, self.table), input_lengths
