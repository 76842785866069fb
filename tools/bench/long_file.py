#!/usr/bin/env python3
"""Encode and decode a long file: memory, and agreement with whole-file processing."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from measure import peak_memory
from release import load, make_generator, noise, save

from espnet_st.codec.generator import Generator


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="for the memory")
    parser.add_argument("--whole", type=float, default=3.0, help="minutes to compare")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        save(make_generator([noise(64000, 1000 + i) for i in range(16)]), Path(name))
        codec = load(Path(name))
    wav = noise(int(args.whole * 60 * 16000), 1)
    codes = codec.encode(wav)
    assert isinstance(codec.generator, Generator)
    with torch.inference_mode():
        whole = codec.generator.encode(wav[None, None])[:, 0]
        resynthesis = codec.generator.decode(codes[:, None])[0, 0]
    same = float((codes == whole).all(0).float().mean())
    error = float((codec.decode(codes) - resynthesis).abs().max())
    print(
        f"{args.whole} minutes in chunks and as a whole: {100 * same:.4f} % of frames "
        f"equal; decoded, largest difference {error:.1e} of samples up to "
        f"{float(resynthesis.abs().max()):.2f}"
    )
    del whole, resynthesis
    wav = torch.cat([noise(60 * 16000, i) for i in range(int(args.minutes))])
    result = {}

    def encode() -> None:
        result["codes"] = codec.encode(wav)

    for label, function in (
        ("encode", encode),
        ("decode", lambda: codec.decode(result["codes"])),
    ):
        start = time.perf_counter()
        memory = peak_memory(function)
        print(
            f"{label} {args.minutes} minutes: {memory:.0f} MiB above the model and its "
            f"input, {time.perf_counter() - start:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
