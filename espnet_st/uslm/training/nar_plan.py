"""The training plan of the NAR model: which layers it predicts, after which prompts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_st.masks import valid_mask
from espnet_st.uslm.training.batch import TrainingBatch

STAGES = ("turns", "random", "release")
PROMPTS = ("none", "prefix", "speaker")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a setting that is none of its choices.

    Raises:
        ValueError: If it is none; the message names them.
    """
    if value not in choices:
        raise ValueError(f"{name} is {value!r}: give one of {', '.join(choices)}")


@dataclass
class NARTrainingPlan:
    """A plan of which layers and prompts are drawn; its settings are those of `USLM`.

    Attributes:
        stages: One of `STAGES`, see `draw_stages`.
        prompt: One of `PROMPTS`.
        prompt_frames: Longest prompt, at least 1.

    Raises:
        ValueError: If one is out of its range.
    """

    stages: str
    prompt: str
    prompt_frames: int

    def __post_init__(self) -> None:
        """Check the settings."""
        check_choice("nar_stages", self.stages, STAGES)
        check_choice("nar_prompt", self.prompt, PROMPTS)
        if self.prompt_frames < 1:
            raise ValueError(
                f"nar_prompt_frames is {self.prompt_frames}: give 1 or more, or "
                "nar_prompt: none"
            )

    def draw(
        self,
        batch: TrainingBatch,
        prompt: Tensor | None,
        prompt_lengths: Tensor | None,
        training: bool,
        in_frames: bool,
    ) -> tuple[TrainingBatch, Tensor, list[Tensor]]:
        """Draw prompts and layers; in evaluation take all layers, and draw nothing.

        Args:
            batch: The utterances.
            prompt: Codes of others by the same speakers (n_q, B, P), if there are.
            prompt_lengths: Their frames (B,).
            training: Whether this is training.
            in_frames: Whether the positions of texts are frames.

        Returns:
            The utterances with their prompts, True at the prompts' frames (B, T), and
            the layers of each pass (B,); see `nar_loss`.

        Raises:
            ValueError: If prompts are needed and missing.
        """
        if self.prompt == "none":
            mask = torch.zeros_like(batch.codes[0], dtype=torch.bool)
        elif self.prompt == "prefix":
            size = batch.codes.shape[2]
            mask = prefix_mask(batch.lengths, size, self.prompt_frames, training)
        elif prompt is None or prompt_lengths is None:
            raise ValueError(
                "nar_prompt: speaker needs data named voice, the codes of another "
                "utterance of the same speaker: train with espnet_st.bin.tts_train "
                "and FILE,voice,kaldi_ark"
            )
        else:
            batch, mask = prepend_prompts(
                prompt, prompt_lengths, batch, self.prompt_frames, training, in_frames
            )
        if training:
            return batch, mask, draw_stages(self.stages, batch)
        return batch, mask, all_stages(batch)


def draw_stages(how: str, batch: TrainingBatch) -> list[Tensor]:
    """Draw the layers to learn from a batch of n_q codebooks.

    Args:
        how: `"random"` takes one random layer of 2 to n_q (paper), `"release"` layer 2
            and one random layer after it (USLM release), `"turns"` one layer for each
            row, in turn from a random one on.
        batch: The utterances.

    Returns:
        Stages 1 to n_q - 1, (B,) for each pass.
    """
    n_q, rows = batch.codes.shape[:2]
    if how == "turns":
        first = int(torch.randint(n_q - 1, ()))
        stages = [(first + torch.arange(rows)) % (n_q - 1) + 1]
    elif how == "random":
        stages = [torch.randint(1, n_q, ()).expand(rows)]
    else:
        stages = [torch.ones(rows, dtype=torch.long)]
        stages += [torch.randint(2, n_q, ()).expand(rows)]
    return [one.to(batch.codes.device) for one in stages]


def all_stages(batch: TrainingBatch) -> list[Tensor]:
    """List all layers from 2 on, for evaluation: (B,) each."""
    n_q = len(batch.codes)
    return [torch.full_like(batch.lengths, stage) for stage in range(1, n_q)]


def prefix_mask(lengths: Tensor, frames: int, longest: int, training: bool) -> Tensor:
    """Mark the start of each utterance as its prompt.

    Args:
        lengths: Frames of the utterances (B,).
        frames: Their padded number T.
        longest: Most frames of a prompt.
        training: Whether to draw its share, from 1/4 to 1/2; else it is a third.

    Returns:
        True at the prompt's frames (B, T).
    """
    if training:
        share = 0.25 + 0.25 * torch.rand(len(lengths), device=lengths.device)
    else:
        share = torch.full_like(lengths, 1 / 3, dtype=torch.float32)
    return valid_mask((lengths * share).long().clamp(max=longest), frames)


def prepend_prompts(
    prompt: Tensor,
    prompt_lengths: Tensor,
    batch: TrainingBatch,
    longest: int,
    training: bool,
    in_frames: bool,
) -> tuple[TrainingBatch, Tensor]:
    """Put a window of another utterance, without its text, before each utterance.

    Args:
        prompt: Codes of the other utterances (n_q, B, P), padded.
        prompt_lengths: Their frames (B,).
        batch: The utterances, T frames.
        longest: Frames of the window, where there are as many.
        training: Whether to draw where the window starts; else at the start.
        in_frames: Whether the positions of texts are frames, and so move with them.

    Returns:
        The utterances with P + T frames, and True at the prompts' frames (B, P + T).
    """
    size = prompt_lengths.clamp(max=longest)
    start = torch.zeros_like(size)
    if training:
        room = prompt_lengths - size + 1
        start = (room * torch.rand(len(size), device=size.device)).long()
    both = torch.cat([prompt, batch.codes], dim=2)
    times = torch.arange(both.shape[2], device=size.device).expand(len(size), -1)
    offset = size.unsqueeze(1)
    source = torch.where(
        times < offset, start.unsqueeze(1) + times, prompt.shape[2] + times - offset
    ).clamp(max=both.shape[2] - 1)
    longer = TrainingBatch(
        batch.text,
        batch.text_lengths,
        batch.positions + offset if in_frames else batch.positions,
        both.gather(2, source.expand(len(both), -1, -1)),
        batch.lengths + size,
    )
    return longer, valid_mask(size, both.shape[2])
