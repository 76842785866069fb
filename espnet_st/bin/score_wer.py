"""Score transcripts by word error rate: a table with intervals, in Markdown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.report.recognition import recognition_table
from espnet_st.slmtokbench.report.tables import to_markdown


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's options."""
    parser = argparse.ArgumentParser(
        description="Score recognisers by word errors on one set: rates with 95 %% "
        "bootstrap intervals over utterances, each compared with the first.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--reference", required=True, help="text of the set")
    parser.add_argument("--title", default="Word error rates", help="of the table")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument(
        "--output", type=Path, help="Markdown file; without it, standard output"
    )
    parser.add_argument(
        "systems", nargs="+", metavar="LABEL=TEXT", help="a recogniser's transcripts"
    )
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    systems = {}
    for system in args.systems:
        label, _, path = system.rpartition("=")
        if not (label and path):
            parser.error(f"{system!r}: expected LABEL=TEXT, e.g. RVQ-1=decode/text")
        if label in systems:
            parser.error(f"{label!r} comes twice; give each system its own label")
        systems[label] = read_table(path, allow_empty=True)
    references = read_table(args.reference, allow_empty=True)
    text = to_markdown(recognition_table(args.title, references, systems, args.seed))
    if args.output is None:
        sys.stdout.write(text)
    else:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
