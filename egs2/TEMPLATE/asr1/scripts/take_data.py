#!/usr/bin/env python3
"""Stage 1: take over a set that another recipe has formatted.

Paths in its wav.scp may be relative to that recipe's directory: they are found in the
nearest directory above the set in which they lie, else from where this runs.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

from data_dir import exit_code, read_data_dir, spk2utt

from espnet_st.data.audio import audio_size
from espnet_st.data.kaldi import write_table


def find_root(raw_dir: Path, source: str) -> Path:
    """Find the directory to which the paths of a set are relative.

    Args:
        raw_dir: Directory of the set.
        source: A path of its wav.scp.

    Raises:
        ValueError: If there is no such file anywhere.
    """
    above = Path(os.path.abspath(raw_dir)).parents
    for root in (*above, Path.cwd()):
        if (root / source).is_file():
            return Path(os.path.relpath(root))
    raise ValueError(
        f"{raw_dir}/wav.scp: {source} is neither in a directory above nor in "
        f"{Path.cwd()}; expected files (not pipes), relative to the recipe that wrote "
        "them"
    )


def take_set(args: argparse.Namespace) -> None:
    """Write the tables of `args.raw_dir` to `args.output_dir`, with paths from here.

    Raises:
        ValueError: If the set is no formatted one with text, or of another rate.
    """
    tables = read_data_dir(args.raw_dir)
    if "segments" in tables or "text" not in tables:
        raise ValueError(
            f"{args.raw_dir}: expected a set with text and without segments, as stage "
            "2 of speechtok1 leaves it"
        )
    keys = list(tables["wav.scp"])[: args.max_utts or None]
    root = find_root(args.raw_dir, tables["wav.scp"][keys[0]])
    paths = {key: str(root / tables["wav.scp"][key]) for key in keys}
    samples = {}
    for key, path in paths.items():
        samples[key], rate = audio_size(path)
        if rate != args.fs:
            raise ValueError(
                f"{path} has {rate} Hz, --fs is {args.fs}: give --fs {rate} if all "
                "are so; a codec of another rate resamples by itself"
            )
    for name in ("text", "utt2spk"):
        write_table(args.output_dir / name, {key: tables[name][key] for key in keys})
    speakers = spk2utt({key: tables["utt2spk"][key] for key in keys})
    write_table(args.output_dir / "spk2utt", speakers)
    write_table(args.output_dir / "utt2num_samples", samples)
    write_table(args.output_dir / "wav.scp", paths)
    hours = sum(samples.values()) / args.fs / 3600
    logging.info("%s: %d utterances, %.2f hours", args.output_dir, len(keys), hours)


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fs", type=int, default=16000, help="Hz of the files")
    parser.add_argument("--max_utts", type=int, default=0, help="0: all")
    parser.add_argument("raw_dir", type=Path, help="e.g. ../speechtok1/dump/raw/train")
    parser.add_argument("output_dir", type=Path, help="e.g. data/train")
    return exit_code(take_set, parser.parse_args(cmd))


if __name__ == "__main__":
    sys.exit(main())
