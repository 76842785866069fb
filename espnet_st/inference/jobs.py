"""Batch jobs over many items, which can be stopped and taken up again.

A job owns its output directory while it works, stores there what its results depend
on, and refuses a directory that was begun with another model, options or input. One bad
item is named and the rest goes on.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from espnet_st.data.files import write_whole
from espnet_st.data.kaldi import read_table, write_table
from espnet_st.inference.locks import directory_lock

SETTINGS = "job.json"
"""Name of the file that says with which model and options a directory was made."""

INPUTS = "job.inputs"
"""Name of the table of items and digests of what each is made from."""


class Job:
    """Holds an output directory for one job; use it in a `with`.

        with Job(output_dir, {"codec": model_digest(model)}) as job:
            for key in job.resume(inputs, done): ...

    Args:
        output_dir: Where results go; made if missing.
        settings: What all results depend on, by name (JSON types): the model's content
            and those options that change a result.

    Raises:
        ValueError: On entering, if another job works there, or the directory was begun
            with other settings.
    """

    def __init__(self, output_dir: str | Path, settings: Mapping[str, Any]) -> None:
        self.output = Path(output_dir)
        self.settings = json.loads(json.dumps(dict(settings)))
        self._known: dict[str, Any] | None = None
        self._held = ExitStack()

    def __enter__(self) -> Job:
        with ExitStack() as held:
            held.enter_context(directory_lock(self.output))
            path = self.output / SETTINGS
            if path.is_file():
                self._known = json.loads(path.read_text(encoding="utf-8"))
                self._compare(self._known)
            self._held = held.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._held.close()

    def _compare(self, known: Mapping[str, Any]) -> None:
        differing = [
            f"{name} {known.get(name)!r}, now {self.settings.get(name)!r}"
            for name in sorted(known.keys() | self.settings.keys())
            if known.get(name) != self.settings.get(name)
        ]
        if differing:
            raise ValueError(
                f"{self.output} was begun with {'; '.join(differing)}: choose another "
                "directory, or remove it"
            )

    def resume(self, inputs: Mapping[str, str], done: Collection[str]) -> list[str]:
        """Store what the results depend on, and give the keys that are not done yet.

        Args:
            inputs: What each item is made from, described or digested, by key.
            done: Keys with a finished result.

        Raises:
            ValueError: If a finished result is of another input, or nothing says of
                which model it is.
        """
        path = self.output / INPUTS
        digests = {key: text_digest(value) for key, value in inputs.items()}
        known = read_table(path) if path.is_file() else {}
        finished = [key for key in digests if key in done]
        if finished and self._known is None:
            raise ValueError(
                f"{self.output} has results, {finished[0]} for one, and no {SETTINGS} "
                "that says from which model and options they are: choose another "
                "directory, or remove it"
            )
        other = [key for key in finished if known.get(key) != digests[key]]
        if other:
            raise ValueError(
                f"{self.output} has {len(other)} results of other input, {other[0]} "
                "for one: choose another directory, or remove it"
            )
        if digests:
            write_table(path, known | digests)
        text = json.dumps(self.settings, indent=1, sort_keys=True) + "\n"
        write_whole(self.output / SETTINGS, text.encode())
        return [key for key in digests if key not in done]


def text_digest(text: str) -> str:
    """Digest a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def model_digest(*models: nn.Module) -> str:
    """Digest the weights of models, with their names, types and shapes."""
    digest = hashlib.sha256()
    for model in models:
        for name, tensor in model.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(_bytes_of(tensor))
    return digest.hexdigest()[:16]


def tensor_digest(tensor: Tensor) -> str:
    """Digest values, type and shape of a tensor, such as codes."""
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(_bytes_of(tensor))
    return digest.hexdigest()[:16]


def _bytes_of(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


class NothingDone(ValueError):
    """All items of a job were skipped; each was named before."""


class Skipped:
    """Collects the items that a job could not do, by name and reason.

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
            NothingDone: If nothing at all was done.
        """
        if not self.reasons:
            logging.info("%d items done, none skipped", done)
            return
        names = " ".join(sorted(self.reasons))
        logging.warning("%d items done, %d skipped: %s", done, len(self.reasons), names)
        if done == 0:
            raise NothingDone(f"all {len(self.reasons)} items were skipped: {names}")
