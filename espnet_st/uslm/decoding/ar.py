"""The AR model's decoding loop: semantic codes, one frame of all rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from espnet_st.uslm.ar import AutoregressiveModel
from espnet_st.uslm.decoding.continuation import Continuation, GuidedContinuation
from espnet_st.uslm.decoding.sampling import (
    Sampling,
    draw_uniform,
    redraw_repeated,
    sample,
)
from espnet_st.uslm.kv_cache import fill_gaps


@dataclass
class ARHypothesis:
    """Semantic codes that the AR model gave for one text.

    Attributes:
        codes: Semantic codes (T,).
        score: Mean log probability of the codes, and of the end if it came.
        truncated: Whether the end did not come before the limit.
    """

    codes: Tensor
    score: float
    truncated: bool


class LogitsProcessor(Protocol):
    """Changes scores before codes are drawn from them."""

    def __call__(self, logits: Tensor, step: int) -> Tensor:
        """Give new scores.

        Args:
            logits: Scores of the next code and of the end (B, codebook_size + 1).
            step: Index of the frame to draw, from 0.

        Returns:
            Scores of the same shape, in a tensor of their own.
        """

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows (n,), in this order, because the others have ended."""


@torch.no_grad()
def generate(
    model: AutoregressiveModel,
    text: Tensor,
    text_lengths: Tensor,
    text_positions: Tensor,
    prompt: Tensor,
    prompt_lengths: Tensor,
    min_frames: Tensor,
    max_frames: Tensor,
    sampling: Sampling,
    seeds: Sequence[int],
    processors: Sequence[LogitsProcessor] = (),
) -> list[ARHypothesis]:
    """Continue the prompts, all rows at once, with a key-value cache.

    Args:
        model: The AR model.
        text: Token ids of prompt and target together (B, S), padded.
        text_lengths: Number of tokens (B,).
        text_positions: Position of each token (B, S).
        prompt: Semantic codes of the prompts (B, P), padded; P may be 0.
        prompt_lengths: Frames of each prompt (B,).
        min_frames: Frames before which the end is forbidden (B,).
        max_frames: Frames at which a row stops (B,), at least 1.
        sampling: How to draw.
        seeds: A seed for each row; its draws depend on nothing else.
        processors: What changes the scores, in this order.

    Returns:
        A hypothesis for each row.
    """
    batch, limit = len(text), int(max_frames.max())
    inputs = text, text_lengths, text_positions, prompt, prompt_lengths, limit
    if sampling.cfg_scale == 1.0:
        continuation = Continuation(model, *inputs)
    else:
        continuation = GuidedContinuation(model, *inputs, scale=sampling.cfg_scale)
    uniform = draw_uniform(sampling, seeds, limit).to(text.device)
    recent = last_codes(prompt, prompt_lengths, sampling.ras_window)
    codes = text.new_zeros(batch, limit)
    frames = torch.zeros_like(text_lengths)
    ended = torch.zeros_like(text_lengths, dtype=torch.bool)
    scores = torch.zeros(batch, device=text.device)
    rows = torch.arange(batch, device=text.device)
    first_end = int(min_frames.max())
    for step in range(limit):
        logits = continuation.logits
        for process in processors:
            logits = process(logits, step)
        if step < first_end:
            logits[step < min_frames[rows], model.codebook_size] = float("-inf")
        drawn = sample(logits, uniform[0, rows, step], sampling)
        if sampling.ras_window:
            drawn = redraw_repeated(
                drawn, recent, logits, uniform[1, rows, step], sampling
            )
            recent[:, step % sampling.ras_window] = drawn
        codes[rows, step] = drawn
        log_probability = logits.log_softmax(dim=-1).gather(1, drawn.unsqueeze(1))
        scores[rows] += log_probability.squeeze(1)
        ends = drawn == model.codebook_size
        ended[rows] = ends
        frames[rows] += ~ends
        going = ~ends & (step + 1 < max_frames[rows])
        if not bool(going.any()):
            break
        if not bool(going.all()):
            kept = fill_gaps(going)
            rows, drawn, recent = rows[kept], drawn[kept], recent[kept]
            continuation.keep(kept)
            for process in processors:
                process.keep(kept)
        continuation.append(drawn)
    means = scores / (frames + ended)
    return [
        ARHypothesis(codes[row, :size], score, not end)
        for row, (size, score, end) in enumerate(
            zip(frames.tolist(), means.tolist(), ended.tolist())
        )
    ]


def last_codes(codes: Tensor, lengths: Tensor, count: int) -> Tensor:
    """Give the last codes of each row.

    Args:
        codes: Codes (B, P), padded.
        lengths: Number of codes (B,).
        count: How many to give.

    Returns:
        Codes (B, count), -1 in front where a row has fewer.
    """
    columns = lengths.unsqueeze(1) + torch.arange(count, device=codes.device)
    return F.pad(codes, (count, 0), value=-1).gather(1, columns)
