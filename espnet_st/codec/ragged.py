"""Encoding and decoding signals of several lengths together, each as if alone.

A signal is in work chunk by chunk (see `chunks.py`), which bounds the memory; signals
of similar lengths go together, which saves reading weights. Nothing is padded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from espnet_st.codec.abs_generator import AbsGenerator
from espnet_st.codec.chunks import (
    ChunkBatch,
    StreamState,
    join_chunks,
    split_signals,
)

CHUNK_FRAMES = 100
"""Frames of a signal that are in work at once; bounds the memory."""
MAX_SIGNALS = 128
"""Signals that run together."""
MAX_FRAMES = 30000
"""Frames that they have together, about, unless one has more."""


def encode_ragged(generator: AbsGenerator, wavs: Sequence[Tensor]) -> list[Tensor]:
    """Encode signals of any lengths.

    Args:
        generator: In evaluation mode.
        wavs: Each (N_i,) at the generator's rate.

    Returns:
        For each codes (n_q, ceil(N_i / hop_length)), the same as if it were alone, on
        the generator's device.
    """
    device = next(generator.parameters()).device
    return _run(generator.encode_chunks, wavs, generator.hop_length, device)


def decode_ragged(
    generator: AbsGenerator, codes: Sequence[Tensor], start: int = 0
) -> list[Tensor]:
    """Decode codes of any lengths.

    Args:
        generator: In evaluation mode.
        codes: Each (k, T_i), of layers start, ..., start + k - 1.
        start: The first of these layers; 0 is the semantic one.

    Returns:
        For each (T_i * hop_length,) float32, on the generator's device.
    """
    device = next(generator.parameters()).device
    return _run(partial(generator.decode_chunks, start=start), codes, 1, device)


def decode_latents(generator: AbsGenerator, latents: Sequence[Tensor]) -> list[Tensor]:
    """Decode what the decoder takes, of any lengths.

    Args:
        generator: In evaluation mode.
        latents: Each (D, T_i), see `AbsGenerator.latent`.

    Returns:
        For each (T_i * hop_length,) float32, on the generator's device.
    """
    device = next(generator.parameters()).device
    return _run(generator.decode_latent_chunks, latents, 1, device)


def _run(
    run: Callable[[ChunkBatch, Sequence[StreamState]], Iterator[ChunkBatch]],
    signals: Sequence[Tensor],
    frame: int,
    device: torch.device,
) -> list[Tensor]:
    """Run signals chunk by chunk, those of similar lengths together.

    Args:
        run: Takes the next chunks of some signals.
        signals: Each (..., N_i).
        frame: Length of a frame in them.
        device: Where to run.
    """
    order = sorted(range(len(signals)), key=lambda i: signals[i].shape[-1])
    done: dict[int, Tensor] = {}
    while order:
        chosen = [order.pop()]
        room = MAX_FRAMES * frame - signals[chosen[0]].shape[-1]
        while order and len(chosen) < MAX_SIGNALS and room >= 0:
            chosen.append(order.pop())
            room -= signals[chosen[-1]].shape[-1]
        states = [StreamState() for _ in chosen]
        moved = [signals[i].to(device) for i in chosen]
        batches = split_signals(moved, CHUNK_FRAMES * frame)
        # A caller's autocast would change codes.
        off = torch.autocast(device.type, enabled=False)
        with torch.inference_mode(), off:
            results = [out for batch in batches for out in run(batch, states)]
        # Joined outside of that mode they are ordinary tensors, fit for training.
        done |= zip(chosen, join_chunks(results))
    return [done[i] for i in range(len(signals))]
