#!/usr/bin/env python3
"""Compare lengths of recognisers' inputs with the frames of the codes, in Markdown."""

import argparse
import sys
from pathlib import Path

import torch
from data_dir import exit_code

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_table


def length_table(codes_scp: Path, shapes: list[str]) -> None:
    """Write a table of mean lengths per utterance to standard output.

    Args:
        codes_scp: of the set.
        shapes: LABEL=FILE, lines of key and number of tokens.

    Raises:
        ValueError: a file is missing or at fault, or another set's.
    """
    frames, runs = {}, {}
    for key, codes in CodesReader(codes_scp).items():
        frames[key] = codes.shape[1]
        runs[key] = len(torch.unique_consecutive(codes[0]))
    rows = {"frames of the codec": frames, "the first layer without repeats": runs}
    for shape in shapes:
        label, _, path = shape.rpartition("=")
        counts = {key: int(count) for key, count in read_table(path).items()}
        if not label or not counts.keys() <= frames.keys():
            raise ValueError(f"{shape}: expected LABEL=FILE with keys of {codes_scp}")
        rows[f"input of {label}"] = counts
    lines = ["", "| Length | Mean per utterance | Of the frames | Utterances |"]
    lines.append("|---|---|---|---|")
    for label, counts in rows.items():
        total, of = sum(counts.values()), sum(frames[key] for key in counts)
        mean, share = total / len(counts), 100 * total / of
        lines.append(f"| {label} | {mean:.1f} | {share:.0f} % | {len(counts)} |")
    sys.stdout.write("\n".join(lines) + "\n")


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codes_scp", type=Path, help="of the set")
    parser.add_argument("shapes", nargs="+", help="LABEL=FILE of count_tokens.py")
    args = parser.parse_args(cmd)
    return exit_code(length_table, args.codes_scp, args.shapes)


if __name__ == "__main__":
    sys.exit(main())
