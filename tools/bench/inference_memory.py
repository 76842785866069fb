#!/usr/bin/env python3
"""Compare the memory of encoding and decoding with the official package.

Both have the same random weights of release size. Measured are single utterances of
several lengths, and batches, which the official package does not have. Other work on
the machine does not matter.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

import torch
from measure import peak_memory, table, table_row
from release import load_all, read_or_make


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio_dir", help="of .flac or .wav files; else noise")
    parser.add_argument("--utterances", type=int, help="at most so many of them")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    audio = read_or_make(args.audio_dir, args.utterances)
    audio.sort(key=len, reverse=True)
    with tempfile.TemporaryDirectory() as name:
        codecs = load_all(Path(name), audio)
    codes = codecs["fp32"].encode_batch(audio)
    last = len(audio) - 1
    single = [slice(i, i + 1) for i in sorted({0, last // 3, 2 * last // 3, last})]
    sizes = sorted({*(2**i for i in range(7) if 2**i < len(audio)), len(audio)})
    for what, parts, names in (
        ("one utterance", single, list(codecs)),
        ("batch, longest first", [slice(size) for size in sizes], ["fp32", "bf16"]),
    ):
        header = [f"{name}, {way}" for name in names for way in ("encode", "decode")]
        print(table([f"{what}: peak MiB above the models", *header], []), flush=True)
        for part in parts:
            wavs, items = audio[part], codes[part]
            row = [f"{len(wavs)} x up to {len(wavs[0]) / 16000:.1f} s"]
            for codec in (codecs[name] for name in names):
                for run in (
                    partial(codec.encode_batch, wavs),
                    partial(codec.decode_batch, items),
                ):
                    row.append(f"{peak_memory(run):.0f}")
            print(table_row(row), flush=True)
        print()


if __name__ == "__main__":
    main()
