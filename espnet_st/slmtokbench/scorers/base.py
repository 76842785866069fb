"""What every scorer of audio has in common: one item in, one value out, or a reason.

A scorer measures one utterance at a time and keeps no state between utterances, so
that rows can be cut in chunks for several processes without changing a figure.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

SAMPLE_RATE = 16000
"""Hz at which speech is scored, whatever it comes at."""


class NotScored(Exception):
    """A scorer that cannot run here. The message is the reason the tables show."""


@dataclass(frozen=True)
class Item:
    """One utterance to measure.

    Attributes:
        utt_id: key of the utterance.
        wav: file of the speech to judge.
        reference: file of the original speech, for scorers which compare the two.
        text: what was to be said, for recognisers.
    """

    utt_id: str
    wav: Path
    reference: Path | None = None
    text: str | None = None


class Scorer(Protocol):
    """A measurement of one item.

    Attributes:
        name: as in the configuration, e.g. "pesq".
    """

    name: str

    def measure(self, item: Item) -> Any:
        """Return what is kept of the item (JSON types).

        Raises:
            ValueError: the item cannot be measured, with the reason.
        """
        ...


@dataclass
class Measurements:
    """All values of one scorer on one condition.

    Attributes:
        values: utterance id to what the scorer measured.
        failed: utterance id to why it has no value.
    """

    values: dict[str, Any]
    failed: dict[str, str]


def load_local(model: str, *classes: str) -> list[Any]:
    """Load a pretrained model's parts through transformers, from this machine alone.

    Args:
        model: a directory or a hub name whose weights are already here.
        classes: names of classes of transformers.

    Raises:
        NotScored: transformers or the weights are missing.
    """
    try:
        import transformers
    except ImportError as error:
        raise NotScored(f"transformers is not installed ({error})") from error
    try:
        return [
            getattr(transformers, name).from_pretrained(model, local_files_only=True)
            for name in classes
        ]
    except (OSError, ValueError) as error:
        logging.info("%s: %s", model, error)
        raise NotScored(f"the weights of {model} are not on this machine") from None
