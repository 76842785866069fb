"""A small teacher as it is trained: configuration, phone recogniser, what is saved.

The loop is in `teacher_training.py`; using a teacher in `teachers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from espnet_st.codec.teacher_data import BLANK, UNKNOWN, Batch
from espnet_st.codec.teachers import HOP_LENGTH, align_to_codec, receptive_field

README = """\
A small semantic teacher, in the format of transformers' HubertModel.

It is NOT HuBERT: it has HuBERT's architecture, narrow, and was trained from scratch as
a phoneme recogniser on the corpus named below, for minutes on a CPU. Nothing in it was
learnt by self-supervision, and it knows only the voices and the few hundred words of
that corpus. It stands in for facebook/hubert-base-ls960 where no weights can be
fetched; for any real corpus, use that model.

objective    {objective}
trained on   {train_dir}
utterances   {utterances}
steps        {steps}
phone error  {per:.1f} % on {valid_dir}
"""


@dataclass(frozen=True)
class TeacherConfig:
    """Size and training of a small teacher.

    Attributes:
        model: Arguments of `HubertConfig` that differ from its defaults.
        seed: Of weights, order and augmentation.
        max_steps: Updates.
        batch_size: Utterances per update.
        lr: Peak learning rate; linear warm-up, then linear to zero.
        warmup_steps: Length of the warm-up.
        playback_range: Each batch is played faster by a factor drawn from
            [1 - r, 1 + r], so that voices outside the training set are understood.
        lambda_frame: Weight, beside CTC, of the cross-entropy of a second linear layer
            on the phone of each frame, where `phones.ctm` gives the times. 0: CTC
            alone.
        grad_clip: Largest norm of the gradient.
        valid_interval: Steps between validations; a checkpoint is written at each.
    """

    model: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    max_steps: int = 900
    batch_size: int = 12
    lr: float = 1e-3
    warmup_steps: int = 90
    playback_range: float = 0.12
    lambda_frame: float = 0.0
    grad_clip: float = 1.0
    valid_interval: int = 150

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> TeacherConfig:
        """Build from YAML.

        Raises:
            ValueError: On an unknown key or a number that is not positive.
        """
        known = [entry.name for entry in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"unknown keys {unknown}; known are {', '.join(known)}")
        config = cls(**values)
        for name in ("max_steps", "batch_size", "lr", "grad_clip", "valid_interval"):
            if getattr(config, name) <= 0:
                raise ValueError(f"{name} is {getattr(config, name)}; expected > 0")
        return config


class PhoneRecognizer(nn.Module):
    """A `HubertModel` with linear layers to the phones: for CTC, and for frames."""

    def __init__(self, model: Mapping[str, Any], n_phones: int) -> None:
        """Build it with random weights.

        Args:
            model: Arguments of `HubertConfig`.
            n_phones: Size of the inventory, without blank and silence.
        """
        super().__init__()
        from transformers import HubertConfig, HubertModel

        self.encoder = HubertModel(HubertConfig(**model))
        config = self.encoder.config
        self.field = receptive_field(config.conv_kernel, config.conv_stride)
        self.head = nn.Linear(config.hidden_size, n_phones + 1)
        self.frame_head = nn.Linear(config.hidden_size, n_phones + 1)

    def forward(self, wav: Tensor) -> Tensor:
        """The last hidden states (B, T, D) of waveforms (B, N)."""
        wav = align_to_codec(wav.to(self.head.weight.device), self.field)
        return self.encoder(wav).last_hidden_state

    def ctc_loss(self, states: Tensor, batch: Batch) -> Tensor:
        """CTC, per phone, averaged over the batch."""
        log_probs = self.head(states).log_softmax(dim=-1)
        return nn.functional.ctc_loss(
            log_probs.transpose(0, 1),  # (T, B, n_phones + 1)
            batch.phones.to(states.device),
            frame_lengths(batch),
            batch.phone_lengths,
            blank=BLANK,
            zero_infinity=True,
        )

    def frame_loss(self, states: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the frames whose phone is known; 0 if none is."""
        frames = batch.frames.to(states.device)
        if not (frames != UNKNOWN).any():
            return states.new_zeros(())
        logits = self.frame_head(states).transpose(1, 2)  # (B, n_phones + 1, T)
        return nn.functional.cross_entropy(logits, frames, ignore_index=UNKNOWN)

    def decode(self, states: Tensor, batch: Batch) -> list[list[int]]:
        """The phones of CTC's best path, repetitions and blanks removed."""
        rows = []
        paths = self.head(states).argmax(dim=-1)
        for best, length in zip(paths, frame_lengths(batch), strict=True):
            path = torch.unique_consecutive(best[:length]).tolist()
            rows.append([phone for phone in path if phone != BLANK])
        return rows


def frame_lengths(batch: Batch) -> Tensor:
    """Frames of each utterance (B,)."""
    return -(-batch.wav_lengths // HOP_LENGTH)


def save_teacher(encoder: nn.Module, output_dir: Path) -> None:
    """Save a `HubertModel` with the feature extractor that says `do_normalize`."""
    from transformers import Wav2Vec2FeatureExtractor

    encoder.save_pretrained(output_dir)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(output_dir)
