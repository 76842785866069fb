"""Checkpoints of ESPnet's trainers that a kill leaves whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from espnet2.train.reporter import Reporter


@contextmanager
def atomic_saves() -> Iterator[None]:
    """Let `torch.save` to a path replace the file only when the new one is whole.

    A process that is killed while it saves leaves the file as it was.
    """
    save = torch.save

    def replacing(obj: Any, f: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(f, (str, os.PathLike)):
            return save(obj, f, *args, **kwargs)
        part = f"{os.fspath(f)}.{os.getpid()}.part"
        try:
            save(obj, part, *args, **kwargs)
            os.replace(part, f)
        finally:
            Path(part).unlink(missing_ok=True)

    torch.save = replacing
    try:
        yield
    finally:
        torch.save = save


def _finish_saving(
    checkpoint: str | Path, model: torch.nn.Module, reporter: Reporter
) -> None:
    """Write the files that a run killed after its checkpoint has not written.

    ESPnet writes the checkpoint first, then the epoch's own file and `latest.pth`,
    which the end of training needs. Only the first of several processes writes.

    Args:
        checkpoint: `checkpoint.pth`.
        model: As loaded from it.
        reporter: As loaded from it.
    """
    if torch.distributed.is_initialized() and torch.distributed.get_rank() > 0:
        return
    path = Path(checkpoint).with_name(f"{reporter.get_epoch()}epoch.pth")
    latest = path.with_name("latest.pth")
    if not path.exists():
        torch.save(model.state_dict(), path)
    if not latest.exists() or not latest.samefile(path):
        latest.unlink(missing_ok=True)
        latest.symlink_to(path.name)


class WholeCheckpoints:
    """To be put before a trainer of ESPnet: a run that is killed leaves whole files."""

    @classmethod
    def run(cls, **parts: Any) -> None:
        """Train; model, optimizers, iterators and so on as ESPnet passes them."""
        with atomic_saves():
            super().run(**parts)  # type: ignore[misc]

    @classmethod
    def resume(
        cls,
        checkpoint: str | Path,
        model: torch.nn.Module,
        reporter: Reporter,
        **parts: Any,
    ) -> None:
        """Resume a run from its checkpoint, and write the files that it had not.

        Args:
            checkpoint: `checkpoint.pth`.
            model: To be loaded.
            reporter: To be loaded.
            parts: Optimizers, schedulers and so on, as ESPnet passes them.
        """
        super().resume(  # type: ignore[misc]
            checkpoint, model=model, reporter=reporter, **parts
        )
        _finish_saving(checkpoint, model, reporter)
