"""Score a listening test: raters' answers and the test's key in, tables out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from espnet_st.slmtokbench.listening.answers import read_answers, read_key
from espnet_st.slmtokbench.listening.scores import score_systems
from espnet_st.slmtokbench.listening.screening import MIN_CORRELATION, screen
from espnet_st.slmtokbench.listening.tables import write_results


def get_parser() -> argparse.ArgumentParser:
    """Make the command's parser."""
    parser = argparse.ArgumentParser(
        description="Score a listening test: means of the systems with 95 %% "
        "intervals, paired differences, and which raters were left out, and why.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--key", required=True, help="keys/<test>.json of the page")
    parser.add_argument("--output_dir", type=Path, required=True, help="for results")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument(
        "--min_correlation",
        type=float,
        default=MIN_CORRELATION,
        help="MOS, SMOS: a rater's with the others' means; -1 keeps all",
    )
    parser.add_argument("answers", nargs="+", help="JSON files that raters sent in")
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    key = read_key(args.key)
    screened = screen(read_answers(args.answers, key), key, args.min_correlation)
    scores = score_systems(screened.kept, key, args.seed)
    sys.stdout.write(write_results(args.output_dir, key, scores, screened))


if __name__ == "__main__":
    main()
