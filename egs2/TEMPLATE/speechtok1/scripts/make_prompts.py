#!/usr/bin/env python3
"""Stage 6: the voice prompt of each utterance that a USLM learns from.

It is the utterance of the same speaker before it; for the first, the last.
"""

import argparse
import sys
from pathlib import Path

from data_dir import exit_code

from espnet_st.data.kaldi import read_table, write_table


def make_prompts(codes_dir: Path) -> None:
    """Write `prompt.scp`, where the codes of the prompts are, into the directory.

    Args:
        codes_dir: has `codes.scp` and `spk2utt`.

    Raises:
        ValueError: a table is at fault, or a speaker has one utterance only.
    """
    codes = read_table(codes_dir / "codes.scp")
    found = {}
    for speaker, line in read_table(codes_dir / "spk2utt").items():
        keys = [key for key in line.split() if key in codes]
        if len(keys) == 1:
            raise ValueError(
                f"{codes_dir}: speaker {speaker} has one utterance, {keys[0]}, and no"
                " other as its prompt; remove it, or train with nar_prompt: prefix"
            )
        found |= {key: codes[keys[place - 1]] for place, key in enumerate(keys)}
    write_table(codes_dir / "prompt.scp", found)


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("codes_dir", type=Path, help="e.g. dump/codes_mini/train")
    return exit_code(make_prompts, parser.parse_args(cmd).codes_dir)


if __name__ == "__main__":
    sys.exit(main())
