"""ESPnet's `GANTrainer`, for runs that are killed, resumed, spread and fed bad data.

What ESPnet already does, and tests hold: the order of the data and all random
numbers depend on the epoch alone, so a run that is resumed repeats the epoch that it
was killed in; processes stop together at the end of the shortest share of the data.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import Any

from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.gan_trainer import GANTrainer, GANTrainerOptions
from espnet2.train.reporter import SubReporter, to_reported_value

from espnet_st.tasks.saving import WholeCheckpoints


class CodecTrainer(WholeCheckpoints, GANTrainer):
    """`GANTrainer` with whole checkpoints, and steps without a finite gradient counted.

    A step whose gradient is not finite changes no weight, whatever `grad_clip` is; the
    quantizer keeps its codebooks from such a batch by itself.
    """

    @classmethod
    def run(  # type: ignore[override]
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
        super().run(
            trainer_options=options, distributed_option=distributed_option, **parts
        )

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
    """Count the steps of an epoch that reported `key`; the others hold NaN."""
    return sum(not math.isnan(entry.value) for entry in reporter.stats.get(key, []))
