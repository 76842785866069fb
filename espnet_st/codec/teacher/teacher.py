"""Semantic teachers: frozen speech models, aligned with the codec's frames.

`build_teacher` loads one. The models themselves are in `backbones.py`, what a teacher
is for in `codec/distillation.py`, its units in `units.py`; training a small one is in
`small/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchaudio.functional import resample

from espnet_st.codec.codebook import nearest
from espnet_st.codec.teacher.backbones import Backbone
from espnet_st.codec.teacher.registry import load_backbone
from espnet_st.codec.teacher.units import read_units

PRECISIONS = ("float32", "bfloat16", "float16")


class Teacher(nn.Module):
    """A frozen speech model giving one vector, or one unit, per frame of the codec.

    It never leaves evaluation mode, has no trainable parameter and gives no gradient.

    Attributes:
        sample_rate: Hz of the waveforms it takes, which are resampled to the model's.
        output_size: D, width of the features, or K, the number of units.
        n_layers: Transformer layers; the model has `n_layers + 1` hidden states.
    """

    centroids: Tensor | None

    def __init__(
        self,
        backbone: Backbone,
        layer: str | int = "avg",
        centroids: Tensor | None = None,
        sample_rate: int | None = None,
    ) -> None:
        """Wrap a model.

        Args:
            backbone: The model; it works in the precision of its parameters.
            layer: `avg`, the mean of all hidden states, that of the input embedding
                included; or the index of one of them, 0 being that embedding.
            centroids: (K, D) of k-means over that layer; makes the output units.
            sample_rate: Hz of the waveforms it will get; the model's own by default.

        Raises:
            ValueError: On another layer or shape of the centroids, or convolutions
                that leave out samples.
        """
        super().__init__()
        self.n_layers = backbone.n_layers
        self.layer = _check_layer(layer, self.n_layers)
        self.sample_rate = sample_rate or backbone.sample_rate
        self.receptive_field = receptive_field(backbone.kernels, backbone.strides)
        if self.receptive_field < backbone.hop_length:
            raise ValueError(
                f"a frame of the teacher sees {self.receptive_field} samples and moves "
                f"on by {backbone.hop_length}: some samples would be in no frame"
            )
        self.backbone = backbone
        self.register_buffer("centroids", centroids)
        width = backbone.width
        if centroids is not None and centroids.shape[1:] != (width,):
            raise ValueError(
                f"the units' centroids have shape {tuple(centroids.shape)}; the "
                f"teacher's features have {width} dimensions: make units from it"
            )
        self.output_size = width if centroids is None else len(centroids)
        self.requires_grad_(False)
        super().train(False)

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.backbone.sample_rate / self.backbone.hop_length

    def train(self, mode: bool = True) -> Teacher:
        """Do nothing: a teacher stays in evaluation mode."""
        del mode
        return self

    @torch.no_grad()
    def forward(self, wav: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Compute features or units of waveforms.

        Args:
            wav: (B, N), float at `sample_rate`.
            lengths: Samples of each item (B,), or None when all have N. Each item is
                then run alone, since what follows its end would change its features.

        Returns:
            (B, T, D) float, or (B, T) int64 for units, T the frames of N samples at
            `frame_rate`, rounded up; beyond an item's own end zeros.

        Raises:
            ValueError: If `wav` is not (B, N) with N of at least one sample.
        """
        if lengths is not None and bool((lengths < wav.shape[-1]).any()):
            items = [self(one[None, :n])[0] for one, n in zip(wav, lengths.tolist())]
            return nn.utils.rnn.pad_sequence(items, batch_first=True)
        states = self.hidden_states(wav)
        if isinstance(self.layer, str):  # the average
            features = torch.stack(states).mean(dim=0)
        else:
            features = states[self.layer]
        if self.centroids is None:
            return features
        units = nearest(features.flatten(0, 1), self.centroids)
        return units.view(features.shape[:2])

    @torch.no_grad()
    def hidden_states(self, wav: Tensor) -> tuple[Tensor, ...]:
        """Compute all `n_layers + 1` states (B, T, D), float, of waveforms (B, N).

        Raises:
            ValueError: As `forward`.
        """
        if wav.dim() != 2 or wav.shape[1] == 0 or not wav.is_floating_point():
            raise ValueError(
                f"the teacher got {wav.dtype} of shape {tuple(wav.shape)}; expected "
                "float waveforms (B, N)"
            )
        # Its precision is its own, whatever the codec's training runs in.
        with torch.autocast(wav.device.type, enabled=False):
            wav = resample(wav.float(), self.sample_rate, self.backbone.sample_rate)
            if self.backbone.epsilon is not None:
                wav = normalize_waveform(wav, self.backbone.epsilon)
            hop_length = self.backbone.hop_length
            wav = align_to_codec(wav, self.receptive_field, hop_length)
            states = self.backbone(wav.to(next(self.backbone.parameters()).dtype))
        return tuple(state.float() for state in states)


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Count the samples that one output of some convolutions sees (HuBERT: 400)."""
    size, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        size += (kernel - 1) * jump
        jump *= stride
    return size


def align_to_codec(wav: Tensor, field: int, hop_length: int) -> Tensor:
    """Pad waveforms so that the model's frames fall on the codec's.

    With a hop of 320 samples, frame j of the model sees samples [320 j, 320 j + field)
    and is centred on 320 j + field / 2; frame t of the codec covers
    [320 t, 320 t + 320), centred on 320 t + 160. With (field - 320) / 2 zeros put
    before (40 for HuBERT) the centres agree, and zeros after make exactly
    T = ceil(N / 320) frames: without them HuBERT gives floor((N - 400) / 320) + 1.

    Args:
        wav: (B, N).
        field: Receptive field of the model in samples, at least `hop_length`.
        hop_length: Samples per frame of the model.

    Returns:
        (B, hop_length (T - 1) + field).
    """
    n_frames = -(-wav.shape[-1] // hop_length)
    left = (field - hop_length) // 2
    right = hop_length * (n_frames - 1) + field - left - wav.shape[-1]
    return nn.functional.pad(wav, (left, right))


def normalize_waveform(wav: Tensor, epsilon: float = 1e-7) -> Tensor:
    """Bring waveforms to mean 0 and variance 1 over the last axis.

    As `Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm` of transformers, whose epsilon
    is the default.
    """
    centred = wav - wav.mean(dim=-1, keepdim=True)
    variance = centred.pow(2).mean(dim=-1, keepdim=True)
    return centred / torch.sqrt(variance + epsilon)


def build_teacher(
    name: str,
    layer: str | int = "avg",
    units_file: str | None = None,
    dtype: str = "float32",
    sample_rate: int | None = None,
) -> Teacher:
    """Load a teacher.

    Args:
        name: As `registry.load_backbone` has it: a directory in Hugging
            Face's format, a name on its hub (`facebook/hubert-base-ls960` is the
            paper's), `torchaudio:HUBERT_BASE`, or an ESPnet SSL checkpoint.
        layer: `avg`, an index in [0, layers], or `units`.
        units_file: For `units`: the centroids (K, D) that
            `espnet_st.bin.teacher units` wrote, with the layer in a `.json` beside.
        dtype: Precision that it works in: `float32`, `bfloat16` or `float16`.
        sample_rate: Hz of the waveforms it will get; the model's own by default.

    Raises:
        ValueError: If there is no such model, if a part of it is missing or not
            known, if `layer` and `units_file` do not fit, or on another precision.
    """
    if (layer == "units") != (units_file is not None):
        raise ValueError(
            f"layer {layer!r} with units_file {units_file!r}: give a units_file with "
            "layer 'units', and only then; espnet_st.bin.teacher units makes one"
        )
    if dtype not in PRECISIONS:
        raise ValueError(
            f"teacher dtype {dtype!r}; expected one of {', '.join(PRECISIONS)}"
        )
    centroids = None
    if units_file is not None:
        centroids, layer = read_units(Path(units_file))
    backbone = load_backbone(name).to(getattr(torch, dtype))
    return Teacher(backbone, layer, centroids, sample_rate)


def load_teacher(
    conf: Mapping[str, Any],
    sample_rate: int,
    hop_length: int,
    width: int,
    option: str = "semantic_dimension",
) -> Teacher:
    """Load a codec's teacher, and leave the random numbers of training alone.

    Args:
        conf: Arguments of `build_teacher`.
        sample_rate: Hz of the codec.
        hop_length: Samples per frame of the codec.
        width: What the codec expects of its features, or of the number of its units.
        option: What the codec calls that.

    Raises:
        ValueError: If there is no such teacher, or its width or frames are others.
    """
    # Weights that are drawn before they are loaded must not move the random numbers of
    # training, or a resumed run would differ.
    with torch.random.fork_rng(devices=[]):
        teacher = build_teacher(**conf, sample_rate=sample_rate)
    check_width(teacher.output_size, width, option)
    own = teacher.backbone
    check_frame_rate(sample_rate, hop_length, own.sample_rate, own.hop_length)
    return teacher


def check_width(found: int, expected: int, option: str = "semantic_dimension") -> None:
    """Refuse a teacher of another width than a codec expects by an option."""
    if found != expected:
        raise ValueError(
            f"the teacher's features have {found} dimensions; set {option}, which is "
            f"{expected}, to that"
        )


def check_frame_rate(
    sample_rate: int, hop_length: int, teacher_rate: int, teacher_hop: int
) -> None:
    """Refuse a teacher with other frames per second than a codec."""
    if hop_length * teacher_rate != teacher_hop * sample_rate:
        raise ValueError(
            f"the codec makes {sample_rate / hop_length:g} frames per second, the "
            f"teacher {teacher_rate / teacher_hop:g}: choose strides that make the "
            "same, or another teacher"
        )


def _check_layer(layer: str | int, n_layers: int) -> str | int:
    """Turn a layer into `avg` or an index, or refuse it and list what there is."""
    if layer == "avg":
        return layer
    number = int(layer) if str(layer).isdecimal() else -1
    if not 0 <= number <= n_layers:
        raise ValueError(
            f"teacher layer {layer!r}; expected 'avg', 'units' or an index from 0 "
            f"(the input embedding) to {n_layers}"
        )
    return number
