#!/usr/bin/env python3
"""Compare ragged batches with one signal at a time: codes that differ, sample error.

Random weights of release size; lengths are drawn from 1 sample to 20 s.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import torch
from release import load, make_generator, noise, save


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--longest", type=float, default=20.0, help="seconds")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    draw = random.Random(0)
    lengths = [
        1,
        *(draw.randint(1, int(args.longest * 16000)) for _ in range(args.items - 1)),
    ]
    wavs = [noise(length, seed) for seed, length in enumerate(lengths)]
    with tempfile.TemporaryDirectory() as name:
        save(make_generator([noise(64000, 1000 + i) for i in range(16)]), Path(name))
        codec = load(Path(name))
    alone = [codec.encode(wav) for wav in wavs]
    total = sum(codes.numel() for codes in alone)
    used = torch.cat(alone, 1)
    print(f"{len(wavs)} items, {sum(lengths) / 16000:.0f} s, {total} codes", flush=True)
    print("codes in use per layer:", [len(layer.unique()) for layer in used])
    order = list(range(len(wavs)))
    draw.shuffle(order)
    together = codec.encode_batch([wavs[i] for i in order])
    missed = sum(int((c != alone[i]).sum()) for i, c in zip(order, together))
    print(f"encode_batch: {missed} differ, {missed / total:.1e}", flush=True)
    decoded = codec.decode_batch(alone)
    error = max(
        float((codec.decode(codes) - wav).abs().max())
        for codes, wav in zip(alone, decoded)
    )
    peak = max(float(wav.abs().max()) for wav in decoded)
    print(f"decode_batch: largest difference {error:.1e}, largest sample {peak:.2f}")


if __name__ == "__main__":
    main()
