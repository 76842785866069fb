"""Batch jobs over many utterances: one bad item is named and the rest goes on."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Skipped:
    """Items that a job could not do, by name and reason."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def add(self, name: str, error: Exception) -> None:
        """Note that `name` failed, and log why."""
        self.reasons[name] = str(error)
        logging.warning("skipped %s: %s", name, error)

    def finish(self, done: int) -> None:
        """Log the count.

        Raises:
            ValueError: If nothing at all was done.
        """
        if not self.reasons:
            logging.info("%d items done, none skipped", done)
            return
        names = " ".join(sorted(self.reasons))
        logging.warning("%d items done, %d skipped: %s", done, len(self.reasons), names)
        if done == 0:
            raise ValueError(f"all {len(self.reasons)} items were skipped: {names}")


def batches(
    items: Sequence[Item], size: Callable[[Item], int], batch_size: int
) -> Iterator[list[Item]]:
    """Batches of items of similar size, the largest first.

    Args:
        items: What to batch.
        size: Length of an item.
        batch_size: Items per batch.
    """
    ordered = sorted(items, key=size, reverse=True)
    for start in range(0, len(ordered), batch_size):
        yield list(ordered[start : start + batch_size])


def setup_logging() -> None:
    """Log as ESPnet's command lines do."""
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s",
    )


def codec_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options that all batch jobs of a codec have."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--codec", required=True, help="directory of a trained codec")
    parser.add_argument("--output_dir", required=True, help="where results go")
    parser.add_argument("--batch_size", type=int, default=8, help="utterances at once")
    parser.add_argument("--ngpu", type=int, default=0, help="1 to use a GPU")
    return parser


def parse_job(
    parser: argparse.ArgumentParser, cmd: Sequence[str] | None
) -> tuple[argparse.Namespace, str]:
    """Parse a job's options and start its log; gives them and the device."""
    args = parser.parse_args(cmd)
    setup_logging()
    logging.info("%s", vars(args))
    return args, "cuda" if args.ngpu else "cpu"
