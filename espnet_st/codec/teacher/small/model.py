"""A small teacher as it is trained: configuration, phone recogniser, what is saved.

The loop is in `training.py`; using a teacher in `codec/teacher/teacher.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from espnet_st.codec.teacher.small.data import BLANK, UNKNOWN, Batch, FrameGrid
from espnet_st.codec.teacher.teacher import align_to_codec, receptive_field
from espnet_st.config import check_keys

README = """\
A small semantic teacher, in the format of transformers' HubertModel.

It is NOT HuBERT: it has HuBERT's architecture, narrow, and was trained from scratch as
a phoneme recogniser on the corpus named below, for minutes on a CPU. Nothing in it was
learnt by self-supervision, and it knows only the voices and the few hundred words of
that corpus. It stands in for facebook/hubert-base-ls960 where no weights can be
fetched; for any real corpus, use that model.

objective    the phone of each frame; CTC for utterances without phone times
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
        sample_rate: Hz at which it works; other recordings are resampled.
        seed: Of weights, order and augmentation.
        max_steps: Updates.
        batch_size: Utterances per update.
        lr: Peak learning rate; linear warm-up, then linear to zero.
        warmup_steps: Length of the warm-up.
        playback_range: Each batch is played faster by a factor drawn from
            [1 - r, 1 + r], so that voices outside the training set are understood.
        filterbank: Whether the filters of the first convolution start as those of
            `filterbank` in place of noise; it should be as long as an analysis window.
        grad_clip: Largest norm of the gradient.
        valid_interval: Steps between validations; a checkpoint is written at each.
    """

    model: Mapping[str, Any] = field(default_factory=dict)
    sample_rate: int = 16000
    seed: int = 0
    max_steps: int = 900
    batch_size: int = 12
    lr: float = 1e-3
    warmup_steps: int = 90
    playback_range: float = 0.12
    filterbank: bool = False
    grad_clip: float = 1.0
    valid_interval: int = 150

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> TeacherConfig:
        """Build from YAML.

        Raises:
            ValueError: On an unknown key or a number that is not positive.
        """
        check_keys("the teacher's configuration", values, [f.name for f in fields(cls)])
        config = cls(**values)
        for name in ("max_steps", "batch_size", "lr", "grad_clip", "valid_interval"):
            if getattr(config, name) <= 0:
                raise ValueError(f"{name} is {getattr(config, name)}; expected > 0")
        return config


class PhoneRecognizer(nn.Module):
    """A `HubertModel` with a linear layer to the phones, of frames or of CTC."""

    def __init__(self, config: TeacherConfig, n_phones: int) -> None:
        """Build it with random weights.

        Args:
            config: Its `model` and `filterbank`.
            n_phones: Size of the inventory, without blank and silence.
        """
        super().__init__()
        from transformers import HubertConfig, HubertModel

        self.encoder = HubertModel(HubertConfig(**config.model))
        sizes = self.encoder.config
        self.field = receptive_field(sizes.conv_kernel, sizes.conv_stride)
        self.grid = FrameGrid(config.sample_rate, math.prod(sizes.conv_stride))
        self.head = nn.Linear(sizes.hidden_size, n_phones + 1)
        if config.filterbank:
            first = self.encoder.feature_extractor.conv_layers[0].conv
            n_filters, _, size = first.weight.shape
            filters = filterbank(n_filters, size, config.sample_rate)
            first.weight.data.copy_(filters.unsqueeze(1))

    def forward(self, wav: Tensor) -> Tensor:
        """Compute the last hidden states (B, T, D) of waveforms (B, N)."""
        wav = wav.to(self.head.weight.device)
        wav = align_to_codec(wav, self.field, self.grid.hop_length)
        return self.encoder(wav).last_hidden_state

    def loss(self, states: Tensor, batch: Batch) -> Tensor:
        """Compute cross-entropy of frames whose phone is known; CTC where none is.

        Both are averaged, and weighted by the utterances they speak for.
        """
        frames = batch.frames.to(states.device)
        logits = self.head(states)
        known = frames != UNKNOWN
        timed = known.any(dim=1)
        loss = states.new_zeros(())
        if timed.any():
            part = nn.functional.cross_entropy(logits[known], frames[known])
            loss = loss + timed.float().mean() * part
        if not timed.all():
            part = nn.functional.ctc_loss(
                logits[~timed].log_softmax(dim=-1).transpose(0, 1),  # (T, B, phones)
                batch.phones.to(states.device)[~timed],
                batch.frame_lengths[~timed.cpu()],
                batch.phone_lengths[~timed.cpu()],
                blank=BLANK,
                zero_infinity=True,
            )
            loss = loss + (1.0 - timed.float().mean()) * part
        return loss

    def decode(self, states: Tensor, batch: Batch) -> list[list[int]]:
        """Read the phones off the best path, without repetitions and silences."""
        rows = []
        paths = self.head(states).argmax(dim=-1)
        for best, length in zip(paths, batch.frame_lengths, strict=True):
            path = torch.unique_consecutive(best[:length]).tolist()
            rows.append([phone for phone in path if phone != BLANK])
        return rows


def filterbank(n_filters: int, size: int, sample_rate: int) -> Tensor:
    """Make windowed cosines (n_filters, size), evenly spaced on the mel scale.

    Each frequency has four phases, of which a rectifier and the next convolution can
    make a magnitude. Waveform filters learnt from noise take far longer to train.

    Args:
        n_filters: A multiple of 4.
        size: Length in samples.
        sample_rate: Hz.

    Raises:
        ValueError: If `n_filters` is not a multiple of 4.
    """
    if n_filters % 4:
        raise ValueError(
            f"the first convolution has {n_filters} channels; a filterbank needs a "
            "multiple of 4"
        )
    low, high = (math.log1p(hertz / 700) for hertz in (60, 0.475 * sample_rate))
    hertz = 700 * torch.linspace(low, high, n_filters // 4).expm1()
    times = (torch.arange(size) - (size - 1) / 2) / sample_rate
    phases = torch.arange(4) * math.pi / 2
    window = torch.hann_window(size, periodic=False)
    waves = torch.cos(2 * math.pi * hertz[:, None, None] * times + phases[:, None])
    return (waves * window).flatten(0, 1) / window.square().sum().sqrt()


def save_teacher(encoder: Any, output_dir: Path, sample_rate: int = 16000) -> None:
    """Save transformers' `HubertModel`, and an extractor that holds `do_normalize`."""
    from transformers import Wav2Vec2FeatureExtractor

    encoder.save_pretrained(output_dir)
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=sample_rate, do_normalize=True)
    extractor.save_pretrained(output_dir)
