"""ESPnet's TTS task, for runs of the USLM in several processes, killed and resumed.

ESPnet itself sees to the following, and tests hold it: the order of the data and all
random numbers depend on the epoch alone, so that a resumed run repeats the epoch in
which it was killed; a step whose gradient is not finite changes no weight.
"""

from __future__ import annotations

import argparse
from typing import Any

from espnet2.tasks.tts import TTSTask, tts_choices
from espnet2.train.trainer import Trainer
from espnet2.tts.espnet_model import ESPnetTTSModel
from torch import Tensor

from espnet_st.tasks.saving import WholeCheckpoints
from espnet_st.uslm.uslm import USLM

# The processes that ESPnet spawns for several GPUs import this module and no other.
tts_choices.classes["uslm"] = USLM


class USLMTrainer(WholeCheckpoints, Trainer):
    """`Trainer` with whole checkpoints."""


class USLMModel(ESPnetTTSModel):
    """ESPnet's TTS model that keeps the data `voice`, which ESPnet's own drops."""

    def forward(
        self,
        text: Tensor,
        text_lengths: Tensor,
        speech: Tensor,
        speech_lengths: Tensor,
        **batch: Any,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the loss of texts (B, S) and codes (B, T, n_q); see `USLM`."""
        return self.tts(text, text_lengths, speech, speech_lengths, **batch)


class USLMTask(TTSTask):
    """`TTSTask` with `USLMTrainer`, and data named `voice` for the USLM.

    Configurations, checkpoints and options are those of `TTSTask`, whose other models
    it trains too.
    """

    trainer = USLMTrainer

    @classmethod
    def optional_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> tuple[str, ...]:
        """List the data names of `TTSTask`, and `voice`."""
        return *super().optional_data_names(train, inference), "voice"

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetTTSModel:
        """Build the model of a configuration.

        Raises:
            ValueError: If codes are to be normalized, or made from waveforms.
        """
        model = super().build_model(args)
        if not isinstance(model.tts, USLM):
            return model
        if model.feats_extract is not None or model.normalize is not None:
            raise ValueError(
                "the USLM learns codes as they are: give --odim, their layers, and "
                "--normalize none"
            )
        return USLMModel(None, None, None, None, None, None, model.tts)
