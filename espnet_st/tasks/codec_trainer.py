"""ESPnet's `GANTrainer`, for runs that are killed, resumed, spread and fed bad data.

What ESPnet already does, and tests hold: the order of the data and all random
numbers depend on the epoch alone, so a run that is resumed repeats the epoch that it
was killed in; processes stop together at the end of the shortest share of the data.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.gan_trainer import GANTrainer, GANTrainerOptions
from espnet2.train.reporter import Reporter, SubReporter, to_reported_value


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


class CodecTrainer(GANTrainer):
    """`GANTrainer` with whole checkpoints, and steps without a finite gradient counted.

    A step whose gradient is not finite changes no weight, whatever `grad_clip` is; the
    quantizer keeps its codebooks from such a batch by itself.
    """

    @classmethod
    def run(
        cls,
        *,
        trainer_options: GANTrainerOptions,
        distributed_option: DistributedOption,
        **parts: Any,
    ) -> None:
        """Train.

        Args:
            trainer_options: ESPnet's; `use_amp` is left to the model, which knows what
                may run in bfloat16.
            distributed_option: ESPnet's.
            parts: Model, optimizers, schedulers and iterators, as ESPnet passes them.

        Raises:
            ValueError: On `skip_discriminator_prob` with several processes.
        """
        chance = trainer_options.skip_discriminator_prob
        if distributed_option.distributed and chance > 0:
            raise ValueError(
                f"skip_discriminator_prob {chance} with several processes: each draws "
                "it alone, and they would wait for each other; set it "
                "to 0"
            )
        # ESPnet looks whether the gradient is finite only where it clips it.
        clip = trainer_options.grad_clip
        options = replace(
            trainer_options, use_amp=False, grad_clip=clip if clip > 0 else math.inf
        )
        with atomic_saves():
            super().run(
                trainer_options=options, distributed_option=distributed_option, **parts
            )

    @staticmethod
    def resume(
        checkpoint: str | Path, model: torch.nn.Module, reporter: Reporter, **parts: Any
    ) -> None:
        """Take up a run from its checkpoint, and write what was still to be written.

        ESPnet writes the checkpoint first, then the epoch's own file and `latest.pth`,
        which the end of training needs.

        Args:
            checkpoint: `checkpoint.pth`.
            model: To be loaded.
            reporter: To be loaded.
            parts: Optimizers, schedulers and so on, as ESPnet passes them.
        """
        GANTrainer.resume(checkpoint, model=model, reporter=reporter, **parts)
        if torch.distributed.is_initialized() and torch.distributed.get_rank() > 0:
            return
        path = Path(checkpoint).with_name(f"{reporter.get_epoch()}epoch.pth")
        latest = path.with_name("latest.pth")
        if not path.exists():
            torch.save(model.state_dict(), path)
        if not latest.exists() or not latest.samefile(path):
            latest.unlink(missing_ok=True)
            latest.symlink_to(path.name)

    @classmethod
    def train_one_epoch(
        cls, *, reporter: SubReporter, options: GANTrainerOptions, **parts: Any
    ) -> bool:
        """Train for one epoch; report and log how many steps were skipped.

        Returns:
            Whether all were.
        """
        invalid = super().train_one_epoch(reporter=reporter, options=options, **parts)
        for turn in ("generator", "discriminator"):
            tried = _times(reporter, f"{turn}_backward_time")
            skipped = tried - _times(reporter, f"{turn}_optim_step_time")
            key = f"{turn}_skipped_steps"
            reporter.stats[key] = [to_reported_value(float(skipped))]
            if skipped:
                logging.warning(
                    "epoch %d: %d of %d steps of the %s were skipped, their gradient "
                    "was not finite",
                    reporter.get_epoch(),
                    skipped,
                    tried,
                    turn,
                )
        return invalid


def _times(reporter: SubReporter, key: str) -> int:
    """In how many steps of an epoch `key` was reported; the others hold NaN."""
    return sum(not math.isnan(entry.value) for entry in reporter.stats.get(key, []))
