"""Distillation of a teacher into the first quantizer (section 3.2, equations 4 and 5).

The losses are functions of tensors; `Distillation` holds the frozen teacher and chooses
among them. Teachers are in `teacher/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy, logsigmoid

from espnet_st.codec.teacher.features import TeacherFeatures
from espnet_st.codec.teacher.teacher import (
    check_frame_rate,
    check_width,
    load_teacher,
)
from espnet_st.masks import valid_mask

AXES = ("time", "dimension")


def frame_mask(lengths: Tensor | None, like: Tensor) -> Tensor:
    """Mark the frames (B, T) that belong to their item.

    Args:
        lengths: Frames of each item (B,), each at least 1, or None when all have T.
        like: (B, T, ...), whose B, T and device are meant.
    """
    if lengths is None:
        return torch.ones(like.shape[:2], dtype=torch.bool, device=like.device)
    return valid_mask(lengths.to(like.device), like.shape[1])


def time_axis_loss(
    projected: Tensor,
    teacher: Tensor,
    lengths: Tensor | None = None,
    lambda_l1: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Compute continuous distillation frame by frame: equation 4, with a minus sign.

    The mean over frames of -log sigmoid(cos(A q_1, s)). The official trainer's
    `t_axis_distill_loss` adds the mean |A q_1 - s|; with its `lambda_sim` it is
    `lambda_sim` times this one at `lambda_l1 = 1 / lambda_sim`.

    Args:
        projected: A q_1, (B, T, S).
        teacher: s, (B, T, S).
        lengths: Frames of each item (B,); those beyond count nothing.
        lambda_l1: Weight of the mean absolute difference.

    Returns:
        The loss, and the mean cosine.
    """
    mask = frame_mask(lengths, projected)
    projected, teacher = projected.float()[mask], teacher.float()[mask]  # (frames, S)
    cosine = cosine_similarity(projected, teacher, dim=-1)
    loss = -logsigmoid(cosine).mean()
    if lambda_l1:
        loss = loss + lambda_l1 * (projected - teacher).abs().mean()
    return loss, cosine.mean()


def dimension_axis_loss(
    projected: Tensor, teacher: Tensor, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute continuous distillation by dimensions, as in the released code.

    The mean over items and dimensions of -log sigmoid of the cosine between the two
    courses over time: the official trainer's `d_axis_distill_loss`.

    Args:
        projected: A q_1, (B, T, S).
        teacher: s, (B, T, S).
        lengths: Frames of each item (B,); those beyond count nothing.

    Returns:
        The loss, in [0.313, 1.313], and the mean cosine.
    """
    mask = frame_mask(lengths, projected)[..., None]
    # A zero adds nothing to a scalar product or to a norm.
    projected, teacher = (
        x.float().masked_fill(~mask, 0.0) for x in (projected, teacher)
    )
    cosine = cosine_similarity(projected, teacher, dim=1)  # (B, S)
    return -logsigmoid(cosine).mean(), cosine.mean()


def pseudo_label_loss(
    logits: Tensor, units: Tensor, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute pseudo-label distillation: equation 5.

    Args:
        logits: A q_1, (B, T, units).
        units: The teacher's units (B, T).
        lengths: Frames of each item (B,); those beyond count nothing.

    Returns:
        Mean cross-entropy, and the share of frames whose unit is predicted.
    """
    mask = frame_mask(lengths, units)
    logits, units = logits.float()[mask], units[mask]
    loss = cross_entropy(logits, units)
    return loss, (logits.argmax(-1) == units).float().mean()


class Distillation:
    """What the first layer is trained towards: a teacher and a loss.

    The teacher runs on line, frozen. It is built when training first needs it and is
    in neither the parameters nor the checkpoint: this class is no module.

    Args:
        sample_rate: Hz of the codec.
        hop_length: Samples per frame of the codec.
        teacher_conf: Arguments of `teacher.build_teacher`: `name`, `layer`, ...; or
            `features`, a directory of `features.write_features`, with those that made
            it or none.
        axis: `time` compares frames (the paper's equation 4), `dimension` the course
            of each dimension (the released code). Units are always equation 5.
        lambda_l1: Weight, for `time`, of the mean absolute difference.

    Raises:
        ValueError: On another axis, or features of another teacher.
    """

    def __init__(
        self,
        sample_rate: int,
        hop_length: int,
        teacher_conf: Mapping[str, Any] | None = None,
        axis: str = "time",
        lambda_l1: float = 0.0,
    ):
        if axis not in AXES:
            raise ValueError(
                f"distillation axis {axis!r}; expected one of {', '.join(AXES)}"
            )
        if axis == "dimension" and lambda_l1:
            raise ValueError(
                f"lambda_l1 {lambda_l1} with axis 'dimension': it goes with 'time'"
            )
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.teacher_conf = dict(teacher_conf or {})
        features = self.teacher_conf.pop("features", None)
        self.features = None if features is None else TeacherFeatures(features)
        if self.features is not None:
            check_frame_rate(
                sample_rate,
                hop_length,
                self.features.sample_rate,
                self.features.hop_length,
            )
            made_by = self.features.teacher_conf
            asked = self.teacher_conf.items()
            if any(str(value) != str(made_by.get(key)) for key, value in asked):
                raise ValueError(
                    f"{features} was made by the teacher {made_by}, teacher_conf has "
                    f"{self.teacher_conf}: make it again, or name that one"
                )
        self.axis = axis
        self.lambda_l1 = lambda_l1
        self.teacher: nn.Module | None = None

    def __call__(
        self,
        projection: nn.Linear,
        first: Tensor,
        wav: Tensor,
        lengths: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the loss of a batch.

        Args:
            projection: A.
            first: Output of the first quantizer, q_1, (B, D, T).
            wav: Waveforms for the teacher, (B, N).
            lengths: Samples of each item (B,), or None when all have N.
            rows: `TeacherFeatures.rows` of its samples (B, N), where there are such.

        Returns:
            The loss, and how far the first layer agrees with the teacher: a mean
            cosine, or a share of units.

        Raises:
            ValueError: If the teacher's width or frames are not the codec's.
        """
        width = projection.out_features
        if self.features is None:
            target = self._taught(width, wav, lengths)
        else:
            target = self._looked_up(width, rows)
        projected = projection(first.transpose(1, 2))  # (B, T, S)
        if target.shape[:2] != projected.shape[:2]:
            raise ValueError(
                f"the teacher gives {target.shape[1]} frames and the codec "
                f"{projected.shape[1]} for {wav.shape[1]} samples; expected the same"
            )
        frames = None if lengths is None else -(-lengths // self.hop_length)
        if not target.is_floating_point():
            return pseudo_label_loss(projected, target, frames)
        if self.axis == "dimension":
            return dimension_axis_loss(projected, target, frames)
        return time_axis_loss(projected, target, frames, self.lambda_l1)

    def _taught(self, width: int, wav: Tensor, lengths: Tensor | None) -> Tensor:
        """Run the teacher: features (B, T, S), or units (B, T)."""
        if self.teacher is None:
            teacher = load_teacher(
                self.teacher_conf, self.sample_rate, self.hop_length, width
            )
            self.teacher = teacher.to(wav.device)
        return self.teacher(wav, lengths)

    def _looked_up(self, width: int, rows: Tensor | None) -> Tensor:
        """Look up features (B, T, S), or units (B, T), of samples' rows (B, N)."""
        assert self.features is not None
        if rows is None:
            raise ValueError(
                "precomputed features need the rows of each chunk, which only "
                "espnet_st.bin.codec_train gives"
            )
        # The row of the middle of each frame; the last may be cut short.
        middles = torch.arange(0, rows.shape[1], self.hop_length) + self.hop_length // 2
        target = self.features[rows[:, middles.clamp(max=rows.shape[1] - 1)]]
        if target.is_floating_point():
            check_width(target.shape[2], width)
        return target
