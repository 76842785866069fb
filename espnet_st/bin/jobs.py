"""Batch jobs over many utterances: one bad item is named and the rest goes on."""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")


class Skipped:
    """Items that a job could not do, by name and reason.

    Args:
        report: A file to write `name reason` lines to as well, from its beginning.
    """

    def __init__(self, report: Path | None = None) -> None:
        self.reasons: dict[str, str] = {}
        self._report = report
        if report is not None:
            report.write_text("", encoding="utf-8")

    def add(self, name: str, error: Exception) -> None:
        """Note that `name` failed, and log why."""
        self.reasons[name] = " ".join(str(error).split())
        logging.warning("skipped %s: %s", name, error)
        if self._report is not None:
            with self._report.open("a", encoding="utf-8") as report:
                report.write(f"{name} {self.reasons[name]}\n")

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
    items: Sequence[Item],
    size: Callable[[Item], int],
    batch_size: int,
    batch_bins: float = math.inf,
) -> Iterator[list[Item]]:
    """Batches of items of similar size, the largest first.

    Args:
        items: What to batch.
        size: Length of an item.
        batch_size: Items per batch, at most.
        batch_bins: Sum of lengths per batch, at most, padding included; an item that is
            longer is alone.
    """
    batch: list[Item] = []
    longest = 0
    for item in sorted(items, key=size, reverse=True):
        if len(batch) == batch_size or longest * (len(batch) + 1) > batch_bins:
            yield batch
            batch = []
        longest = longest if batch else size(item)
        batch.append(item)
    if batch:
        yield batch


def setup_logging(level: str = "INFO") -> None:
    """Log as ESPnet's command lines do."""
    logging.basicConfig(
        level=level,
        format="%(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s",
    )


def codec_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options that all batch jobs of a codec have."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--codec", required=True, help="directory, packed zip or name of a codec"
    )
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
