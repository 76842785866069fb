"""The wav files that the page plays: the newest ones, in a directory of their own."""

from __future__ import annotations

import secrets
from collections import deque
from pathlib import Path

from torch import Tensor

from espnet_st.data.audio import write_wav


class WavStore:
    """Keeps a bounded number of wav files, under names that nobody can guess.

    Args:
        directory: Where they go.
        keep: How many are kept; an older one is deleted.
    """

    def __init__(self, directory: Path, keep: int = 500) -> None:
        self.directory = directory
        self.keep = keep
        self._paths: deque[Path] = deque()

    def add(self, wav: Tensor, sample_rate: int) -> Path:
        """Write samples (N,), and delete the oldest file if there are too many."""
        path = self.directory / f"{secrets.token_hex(16)}.wav"
        write_wav(path, wav, sample_rate)
        self._paths.append(path)
        while len(self._paths) > self.keep:
            self._paths.popleft().unlink(missing_ok=True)
        return path
