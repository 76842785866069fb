"""Keeping the codes of waveforms that come again, epoch after epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

import torch
from torch import Tensor

PER_ENTRY = 300
"""Bytes that an entry takes beside its codes, about: key, tensor, place in a dict."""


class CodeCache:
    """Codes of waveforms by what is in them, within a bound of memory.

    Nothing is dropped for what comes later: where a training set does not fit, the
    part that does is found in each epoch, whatever the order.

    Args:
        megabytes: The bound; 0 for no cache.

    Attributes:
        hits: How many waveforms were found.
        misses: How many were encoded.

    Raises:
        ValueError: If the bound is negative.
    """

    def __init__(self, megabytes: float) -> None:
        if megabytes < 0:
            raise ValueError(f"cache_mb is {megabytes}; expected 0 (none) or more")
        self.megabytes = megabytes
        self.room = megabytes * 1e6
        self.hits = self.misses = 0
        self._codes: dict[bytes, Tensor] = {}

    def get(
        self,
        wavs: Sequence[Tensor],
        encode: Callable[[Sequence[Tensor]], list[Tensor]],
    ) -> list[Tensor]:
        """Find the codes of waveforms; encode together those that are not there.

        Args:
            wavs: Each (N_i,) or (N_i, channels).
            encode: From some of them to their codes (k, T_i) int64.

        Returns:
            Codes of each waveform (k, T_i) int64, on the CPU.
        """
        if not self.megabytes:
            self.misses += len(wavs)
            return encode(wavs)
        keys = [_key(wav) for wav in wavs]
        new = {key: wav for key, wav in zip(keys, wavs) if key not in self._codes}
        made = dict(zip(new, encode(list(new.values())) if new else []))
        self.misses += len(new)
        self.hits += len(keys) - len(new)
        codes = [made[key] if key in made else self._codes[key].long() for key in keys]
        for key, one in made.items():
            narrow = one.to(torch.int16 if one.max() < 2**15 else torch.int32)
            if self.room >= narrow.nbytes + PER_ENTRY:
                self.room -= narrow.nbytes + PER_ENTRY
                self._codes[key] = narrow
        return codes


def _key(wav: Tensor) -> bytes:
    """Digest samples and shape."""
    held = wav.cpu().contiguous().numpy()
    shape = f"{held.shape} {held.dtype}".encode()
    return blake2b(held.tobytes(), digest_size=16, key=shape[:64]).digest()
