"""The tokens of a system, as scores of them take them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_st.slmtokbench.cache import file_stamps
from espnet_st.slmtokbench.systems import System


@dataclass(frozen=True)
class Tokens:
    """Hold what is known of the codes of a system.

    Attributes:
        system: Whose they are.
        codebooks: (n_q, codebook_size, D).
        frame_rate: Frames per second.
    """

    system: System
    codebooks: Tensor
    frame_rate: float

    @property
    def n_q(self) -> int:
        """Return the number of layers."""
        return len(self.codebooks)

    def vectors(self, codes: Tensor) -> Tensor:
        """Look up each layer's entries (k, T, D) of codes (k, T)."""
        return torch.stack([book[row] for book, row in zip(self.codebooks, codes)])


def code_stamps(tokens: Tokens, names: list[str]) -> list[str]:
    """Give size and time of the files of a system's codes of some sets."""
    return file_stamps(
        tokens.system.codes_dir / name / f"codes.{kind}"
        for name in names
        for kind in ("scp", "ark")
    )
