"""A frozen teacher as the encoder of a codec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from espnet_st.codec.chunks import Layer, WholeSignals
from espnet_st.codec.part import CodecPart
from espnet_st.codec.teacher.teacher import Teacher, load_teacher

AVERAGE, UNKNOWN = -1, -2


class TeacherEncoder(CodecPart):
    """Encoder of waveforms: the features of one layer of a frozen speech model.

    The model is loaded when it is first needed, and is in neither the parameters nor
    the checkpoint; which layer it is stays in the checkpoint.

    Args:
        dimension: Width of the features, D.
        sample_rate: Hz.
        hop_length: Samples per frame.
        teacher_conf: Arguments of `teacher.build_teacher` except `layer` and
            `units_file`.
    """

    streams = False
    half_precision = False
    layer: Tensor

    def __init__(
        self,
        dimension: int,
        sample_rate: int,
        hop_length: int,
        teacher_conf: Mapping[str, Any],
    ):
        super().__init__()
        self.dimension = dimension
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.teacher_conf = dict(teacher_conf)
        # A float: ESPnet adds up integers where it averages checkpoints.
        self.register_buffer("layer", torch.tensor(float(UNKNOWN)))
        self._loaded: dict[str, Teacher] = {}
        self._whole = WholeSignals(self.features)

    @property
    def layers(self) -> list[Layer]:
        """Layers that it consists of; see `CodecPart`."""
        return [self._whole]

    def set_layer(self, layer: str | int) -> None:
        """Set which layer of the teacher the features are: `avg` or an index."""
        self.layer.fill_(AVERAGE if layer == "avg" else int(layer))

    def features(self, wav: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Compute features (B, D, T) of waveforms (B, 1, N).

        Args:
            wav: T is ceil(N / hop_length).
            lengths: Samples of each item (B,), or None when all have N.

        Raises:
            ValueError: If the teacher is not there, or does not fit.
        """
        return self.teacher(wav.device)(wav[:, 0], lengths).transpose(1, 2)

    def teacher(self, device: torch.device) -> Teacher:
        """Load the teacher, or give the one that is loaded, on a device.

        Raises:
            ValueError: If it is not there, or its layer, width or frames do not fit.
        """
        if "teacher" not in self._loaded:
            layer = round(float(self.layer))
            if layer == UNKNOWN:
                raise ValueError(
                    "it is not known which layer of the teacher the units are of: the "
                    "first step of training reads it beside teacher_conf.units_file"
                )
            self._loaded["teacher"] = load_teacher(
                self.teacher_conf | {"layer": "avg" if layer == AVERAGE else layer},
                self.sample_rate,
                self.hop_length,
                self.dimension,
                "dimension",
            )
        return self._loaded["teacher"].to(device)
