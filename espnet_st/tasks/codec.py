"""ESPnet's codec task with a trainer that can be left alone."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from espnet2.gan_codec.espnet_model import ESPnetGANCodecModel
from espnet2.tasks.gan_codec import GANCodecTask, codec_choices
from espnet2.torch_utils.initialize import initialize
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from espnet_st.codec.gan_turns import GANTurns
from espnet_st.codec.hubert_units import HubertUnits
from espnet_st.codec.speechtokenizer import SpeechTokenizer
from espnet_st.codec.teacher.features import TeacherFeatures
from espnet_st.tasks.codec_trainer import CodecTrainer

# The processes that ESPnet spawns for several GPUs import this module and no other.
codec_choices.classes["speechtokenizer"] = SpeechTokenizer
codec_choices.classes["hubert_units"] = HubertUnits

DEFAULT_RATE = inspect.signature(SpeechTokenizer).parameters["sample_rate"].default
INITIALIZATIONS = "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"
"""Choices of ESPnet's `initialize` in all its releases."""
Preprocess = Callable[[str, dict[str, Any]], dict[str, np.ndarray]]


class CodecModel(ESPnetGANCodecModel):
    """Passes on the lengths that ESPnet's model drops, and can train in bfloat16.

    Args:
        codec: The codec.
        bfloat16: Whether training runs under autocast to bfloat16, which needs no
            scaling of the loss; validation does not.
    """

    def __init__(self, codec: torch.nn.Module, bfloat16: bool = False):
        super().__init__(codec=codec)
        self.bfloat16 = bfloat16

    def forward(self, audio: Tensor, **batch: Any) -> dict[str, Any]:
        """Run one turn of the codec; arguments and results are its `forward`'s."""
        low = self.bfloat16 and self.training
        with torch.autocast(audio.device.type, torch.bfloat16, enabled=low):
            return self.codec(audio=audio, **batch)


class WithTeacherRows:
    """Preprocessing that adds where the teacher's features of an utterance are.

    ESPnet cuts the rows of the samples into chunks as it cuts the samples.

    Args:
        preprocess: ESPnet's own.
        codec_conf: Of the codec, whose `teacher_conf` has `features`.
    """

    def __init__(self, preprocess: Preprocess, codec_conf: Mapping[str, Any]):
        self.preprocess = preprocess
        self.features = TeacherFeatures(codec_conf["teacher_conf"]["features"])
        self.sample_rate: int = codec_conf.get("sample_rate", DEFAULT_RATE)

    def __call__(self, uid: str, data: dict[str, Any]) -> dict[str, np.ndarray]:
        """Add `teacher_rows` to the utterance `uid` beside its `audio`, both (N,)."""
        data = self.preprocess(uid, data)
        rows = self.features.rows(uid, len(data["audio"]), self.sample_rate)
        return data | {"teacher_rows": rows}


class CodecTask(GANCodecTask):
    """`GANCodecTask` with `CodecTrainer`; `--use_amp true` means bfloat16.

    Configurations, checkpoints and options are those of `GANCodecTask`, and `--init` is
    that of ESPnet's other tasks.
    """

    trainer = CodecTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of the task to ESPnet's."""
        super().add_task_arguments(parser)
        parser.add_argument(
            "--init",
            choices=INITIALIZATIONS,
            help="How to initialize the parameters; as their modules do, by default",
        )

    @classmethod
    def build_preprocess_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Preprocess | None:
        """Build ESPnet's preprocessing, with rows where features are precomputed."""
        preprocess = super().build_preprocess_fn(args, train)
        if not (args.codec_conf.get("teacher_conf") or {}).get("features"):
            return preprocess
        if preprocess is None:
            raise ValueError("precomputed features need --use_preprocessor true")
        return WithTeacherRows(preprocess, args.codec_conf)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> CodecModel:
        """Build the model of a configuration."""
        stock = super().build_model(args)
        model = CodecModel(stock.codec, bfloat16=args.use_amp)
        if getattr(args, "init", None) is not None:  # earlier models do not have it
            initialize(model, args.init)
        if isinstance(stock.codec, GANTurns):
            # Its buffers are equal in all processes by themselves. Overwritten at each
            # pass, as is usual, they would spoil the reconstruction that the second
            # turn takes over from the first.
            DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(
                model, [name for name, _ in model.named_buffers()]
            )
        return model
