#!/usr/bin/env python3
"""Count the tokens of each utterance of a source text: the shapes that batches need."""

import argparse
import sys
from pathlib import Path

from data_dir import exit_code

from espnet_st.data.kaldi import read_table, write_table
from espnet_st.inference.code_tokens import CodeTokens


def count_tokens(tokens: Path, src_text: Path, output: Path) -> None:
    """Write `key count` lines.

    Raises:
        ValueError: one of the files is missing or at fault.
    """
    known = CodeTokens.load(tokens)
    texts = read_table(src_text)
    write_table(output, {key: len(known.to_ids(text)) for key, text in texts.items()})


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", type=Path, help="directory of tokens")
    parser.add_argument("src_text", type=Path, help="of any set, with these tokens")
    parser.add_argument("output", type=Path, help="to write, e.g. src_text_shape")
    args = parser.parse_args(cmd)
    return exit_code(count_tokens, args.tokens, args.src_text, args.output)


if __name__ == "__main__":
    sys.exit(main())
