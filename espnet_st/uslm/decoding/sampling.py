"""Drawing codes from logits, for a batch at once, each row by numbers of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Sampling:
    """How codes are drawn.

    Attributes:
        temperature: Divides the scores; 0 is greedy.
        top_k: Number of likeliest codes to draw from, 0 for all.
        top_p: Probability mass to draw from.
        ras_window: Repetition-aware sampling (VALL-E 2; Chen et al., 2024, section
            4.2): a code that takes more than `ras_threshold` of the last so many is
            drawn again from all codes; 10 there, 0 is off.
        ras_threshold: See there; 0.1 there.
        cfg_scale: Strength of guidance by the text; 1 is none, and takes half the
            time. For models trained with `text_dropout`.
        align_scale: Strength of guidance by the model's aligner, see `AlignerGuidance`;
            0 is none.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    ras_window: int = 0
    ras_threshold: float = 0.1
    cfg_scale: float = 1.0
    align_scale: float = 0.0

    @property
    def greedy(self) -> bool:
        """Tell whether any random numbers draw the same codes."""
        return (self.temperature == 0 or self.top_k == 1) and not self.ras_window

    def check(self) -> None:
        """Refuse settings that are out of range.

        Raises:
            ValueError: If one is, with its name and its range.
        """
        for name, allowed, expected in (
            ("temperature", self.temperature >= 0, "0 (greedy) or more"),
            ("top_k", self.top_k >= 0, "0 (all codes) or more"),
            ("top_p", 0 < self.top_p <= 1, "a number above 0, up to 1"),
            ("ras_window", self.ras_window >= 0, "0 (off) or more"),
            ("ras_threshold", 0 <= self.ras_threshold <= 1, "a share from 0 to 1"),
            ("cfg_scale", self.cfg_scale >= 0, "0 or more; 1 is no guidance"),
            ("align_scale", self.align_scale >= 0, "0 (no guidance) or more"),
        ):
            if not allowed:
                raise ValueError(f"{name} is {getattr(self, name)}: give {expected}")


def keep_top(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Set the scores outside the top k and the nucleus to minus infinity.

    The nucleus is the smallest set of the likeliest codes whose probabilities
    reach `top_p` (Holtzman et al., 2020); it always holds the likeliest code.

    Args:
        logits: Scores (B, V).
        top_k: Number of codes kept, 0 for all.
        top_p: Mass kept, in (0, 1]; 1 for all.

    Returns:
        Scores (B, V) with minus infinity at the codes left out.
    """
    if 0 < top_k < logits.shape[-1]:
        threshold = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < threshold, float("-inf"))
    if top_p < 1.0:
        ordered, order = logits.sort(dim=-1, descending=True)
        mass = ordered.softmax(dim=-1)
        before = mass.cumsum(dim=-1) - mass
        drop = torch.zeros_like(logits, dtype=torch.bool)
        drop.scatter_(-1, order, before >= top_p)
        logits = logits.masked_fill(drop, float("-inf"))
    return logits


def sample(logits: Tensor, uniform: Tensor, sampling: Sampling) -> Tensor:
    """Draw one code for each row.

    A row's draw depends on its own number alone, so that a text sounds the same in
    any batch.

    Args:
        logits: Scores (B, V); minus infinity forbids a code.
        uniform: A number in [0, 1) for each row (B,).
        sampling: Its temperature, top_k and top_p.

    Returns:
        Codes (B,), int64.
    """
    if sampling.temperature == 0 or sampling.top_k == 1:
        return logits.argmax(dim=-1)
    scores = logits.double() / sampling.temperature
    return _draw(keep_top(scores, sampling.top_k, sampling.top_p), uniform)


def redraw_repeated(
    drawn: Tensor,
    recent: Tensor,
    logits: Tensor,
    uniform: Tensor,
    sampling: Sampling,
) -> Tensor:
    """Draw codes again, from all codes, that are too frequent among the last ones.

    Args:
        drawn: Codes (B,).
        recent: The last codes of each row (B, ras_window), -1 where there are fewer.
        logits: Scores (B, V) that they were drawn from.
        uniform: Other numbers in [0, 1) (B,).
        sampling: Its temperature (1 if greedy) and ras_threshold.

    Returns:
        Codes (B,).
    """
    share = (recent == drawn.unsqueeze(1)).double().mean(dim=1)
    again = _draw(logits.double() / (sampling.temperature or 1.0), uniform)
    return torch.where(share > sampling.ras_threshold, again, drawn)


def _draw(scores: Tensor, uniform: Tensor) -> Tensor:
    """Draw codes (B,) from scores (B, V) by numbers in [0, 1) (B,)."""
    mass = scores.softmax(dim=-1).cumsum(dim=-1)
    target = uniform.double().unsqueeze(-1) * mass[:, -1:]
    return torch.searchsorted(mass, target, right=True).squeeze(-1)


def draw_uniform(sampling: Sampling, seeds: Sequence[int], frames: int) -> Tensor:
    """Draw random numbers in [0, 1) for each row and frame.

    Args:
        sampling: Its ras_window.
        seeds: A seed for each row; its numbers depend on nothing else.
        frames: Numbers of each row.

    Returns:
        (2, B, frames), of which the second half is for what is drawn again; without
        repetition-aware sampling (1, B, frames).
    """
    streams = [list(seeds)]
    if sampling.ras_window:
        streams.append([derive_seed(seed, -1) for seed in seeds])
    generator = torch.Generator()
    return torch.stack(
        [
            torch.stack(
                [torch.rand(frames, generator=generator.manual_seed(s)) for s in stream]
            )
            for stream in streams
        ]
    )


def derive_seed(seed: int, number: int) -> int:
    """Derive the `number`-th seed from a seed; the 0-th is the seed itself."""
    return (seed + number * 0x9E3779B97F4A7C15) % 2**63 if number else seed
