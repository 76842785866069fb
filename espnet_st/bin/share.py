"""Share a packed model on the Hugging Face hub; a dry run unless asked."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from espnet2.utils.types import str2bool

from espnet_st.bin.options import setup_logging
from espnet_st.checkpoints.packing import CARD
from espnet_st.checkpoints.sharing import describe_upload, plan_upload, upload


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's options."""
    parser = argparse.ArgumentParser(
        description="Print what would be sent to the hub, and send it if asked. The "
        "token is that of `hf auth login`, or the environment variable HF_TOKEN.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--packed", type=Path, required=True, help="a zip of espnet_st.bin.pack"
    )
    parser.add_argument("--repo", required=True, help="where to: owner/model")
    parser.add_argument("--revision", default="main", help="branch")
    parser.add_argument(
        "--private", type=str2bool, default=False, help="for a new repository"
    )
    parser.add_argument(
        "--upload", type=str2bool, default=False, help="send it; else only print"
    )
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    setup_logging()
    try:
        uploads = plan_upload(args.packed, args.repo)
        sys.stdout.write(describe_upload(uploads, args.repo, args.revision) + "\n")
        card = next(one.content for one in uploads if one.name == CARD)
        assert isinstance(card, bytes)
        sys.stdout.write(f"\n{CARD}:\n\n{card.decode()}\n")
        if not args.upload:
            logging.info("nothing was sent: --upload true sends it")
            return
        made = upload(uploads, args.repo, args.revision, args.private)
        logging.info("from_pretrained(%r) loads it", made)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
