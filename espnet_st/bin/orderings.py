"""Say which of the paper's orderings hold, in the results of one or more seeds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from espnet_st.bin.options import setup_logging
from espnet_st.slmtokbench.orderings import NEAR_SIM, NEAR_WER
from espnet_st.slmtokbench.report.over_seeds import write_over_seeds
from espnet_st.slmtokbench.report.tables import to_markdown
from espnet_st.slmtokbench.seeds import read_runs
from espnet_st.slmtokbench.systems import read_systems


def get_parser() -> argparse.ArgumentParser:
    """Make the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--systems", required=True, help="YAML, see `systems.py`")
    parser.add_argument(
        "--results",
        type=Path,
        nargs="+",
        required=True,
        help="directories that stage 8 made, one for each seed",
    )
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="of the verdicts"
    )
    parser.add_argument(
        "--near_wer",
        type=float,
        default=NEAR_WER,
        help="points of WER by which ordering d lets the distilled codec be worse",
    )
    parser.add_argument(
        "--near_sim", type=float, default=NEAR_SIM, help="the same of similarity"
    )
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    setup_logging()
    systems = read_systems(args.systems, Path("exp"), Path("dump"))
    try:
        tables = write_over_seeds(
            read_runs(args.results),
            systems,
            args.near_wer,
            args.near_sim,
            args.output_dir,
        )
    except ValueError as error:
        raise SystemExit(f"orderings: {error}") from error
    sys.stdout.write("\n".join(map(to_markdown, tables)))
    sys.stdout.write(f"\n{args.output_dir}/ORDERINGS.md\n")


if __name__ == "__main__":
    main()
