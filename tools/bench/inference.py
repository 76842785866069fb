#!/usr/bin/env python3
"""Compare encoding and decoding with the official package: time and agreement.

Both have the same random weights of release size. The official package takes the
utterances one by one, as it is used; ours takes all of them as one list.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import soundfile
import torch
from measure import Timing, alternate, table, table_row
from release import load_all, noise, read_or_make


def agreement(found: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    """Return the share of equal codes of all layers, in percent."""
    same = sum(int((a == b).sum()) for a, b in zip(found, expected, strict=True))
    return 100 * same / sum(codes.numel() for codes in expected)


def shell_seconds(directory: Path) -> list[list[str]]:
    """Time `import torch`, and encoding a file of 3 s, each as a process of its own."""
    soundfile.write(directory / "3s.wav", noise(48000, 1).numpy(), 16000)
    encode = (
        "import soundfile; from espnet_st import AudioCoding; "
        f"codec = AudioCoding.from_pretrained({str(directory)!r}); "
        f"codec.encode(*soundfile.read({str(directory / '3s.wav')!r}))"
    )
    commands = {
        "import torch": "import torch",
        "from espnet_st import AudioCoding": "from espnet_st import AudioCoding",
        "import, load and encode 3 s": encode,
    }

    runs = {
        name: partial(subprocess.run, [sys.executable, "-c", code], check=True)
        for name, code in commands.items()
    }
    seconds, _ = alternate(runs, 3)
    return [[name, *(f"{one:.2f}" for one in took)] for name, took in seconds.items()]


def timing(seconds: dict[str, Timing], name: str, total: float) -> list[str]:
    """Format the cells of one codec: seconds, per second of audio, and speed-ups."""
    took, official = seconds[name], seconds["official"]
    return [
        f"{took.clock:.1f}",
        f"{took.clock / total:.4f}",
        f"{official.clock / took.clock:.2f}",
        f"{took.busy:.1f}",
        f"{official.busy / took.busy:.2f}",
        f"{took.stolen:.0%}",
    ]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio_dir", help="of .flac or .wav files; else noise")
    parser.add_argument("--utterances", type=int, help="at most so many of them")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repetitions", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    audio = read_or_make(args.audio_dir, args.utterances)
    total = sum(map(len, audio)) / 16000
    with tempfile.TemporaryDirectory() as name:
        codecs = load_all(Path(name), audio)
        shell = shell_seconds(Path(name))
    print(
        f"{len(audio)} utterances, {total:.0f} s (longest "
        f"{max(map(len, audio)) / 16000:.1f} s), {args.threads} threads, median of "
        f"{args.repetitions}\n"
    )
    for codec in codecs.values():  # a whole pass more would take minutes
        codec.decode_batch(codec.encode_batch(audio[:3]))
    seconds, codes = alternate(
        {name: partial(codec.encode_batch, audio) for name, codec in codecs.items()},
        args.repetitions,
        uncounted=0,
    )
    expected = codes["official"]
    used = torch.cat(expected, 1)
    print("codes in use per layer:", [len(layer.unique()) for layer in used], "\n")
    rows = [
        [
            f"encode, {name}",
            *timing(seconds, name, total),
            f"{agreement(codes[name], expected):.4f} %",
        ]
        for name in codecs
    ]
    header = ["", "seconds", "s per s of audio", "speed-up"]
    header += ["CPU seconds", "speed-up", "stolen", "codes equal / error"]
    print(table(header, rows), flush=True)
    seconds, wavs = alternate(
        {name: partial(codec.decode_batch, expected) for name, codec in codecs.items()},
        args.repetitions,
        uncounted=0,
    )
    whole = torch.cat(wavs["official"])
    for name in codecs:
        error = (torch.cat(wavs[name]) - whole).abs().max() / whole.abs().max()
        row = [f"decode, {name}", *timing(seconds, name, total), f"error {error:.1e}"]
        print(table_row(row))
    print()
    print(table(["from a shell", "seconds", "CPU seconds", "stolen"], shell))


if __name__ == "__main__":
    main()
