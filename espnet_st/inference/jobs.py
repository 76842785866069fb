"""Batch jobs over many utterances: one bad item is named and the rest goes on."""

from __future__ import annotations

import logging
from pathlib import Path


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
