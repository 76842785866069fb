"""Writing semantic codes with the AR model: prefill, cache, draws, one frame at a time.

How a batch is prompted lives in `decoding`, how a code is drawn in `sampling`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from espnet_st.uslm.ar import AutoregressiveModel
from espnet_st.uslm.positions import numbers, valid_mask
from espnet_st.uslm.sampling import sample
from espnet_st.uslm.transformer import KVCache


@dataclass
class Sampling:
    """How codes are drawn, and how many.

    Attributes:
        temperature: Divides the scores; 0 is greedy.
        top_k: Number of likeliest codes to draw from, 0 for all.
        top_p: Probability mass to draw from.
        seeds: One for each row; its draws depend on nothing else.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seeds: Sequence[int] = ()

    def draws(self, rows: int, frames: int) -> torch.Tensor:
        """Random numbers (rows, frames) in [0, 1)."""
        generator = torch.Generator()
        numbers = [
            torch.rand(frames, generator=generator.manual_seed(seed))
            for seed in self.seeds or [0] * rows
        ]
        return torch.stack(numbers)


@torch.no_grad()
def generate(
    model: AutoregressiveModel,
    text: torch.Tensor,
    text_lengths: torch.Tensor,
    text_positions: torch.Tensor,
    prompt: torch.Tensor,
    prompt_lengths: torch.Tensor,
    min_frames: torch.Tensor,
    max_frames: torch.Tensor,
    sampling: Sampling,
) -> list[torch.Tensor]:
    """Continue the prompts, all rows at once, with a key-value cache.

    Args:
        text: Token ids of prompt and target together (B, S), padded.
        text_lengths: Number of tokens (B,).
        text_positions: Position of each token (B, S).
        prompt: Semantic codes of the prompts (B, P), padded; P may be 0.
        prompt_lengths: Frames of each prompt (B,).
        min_frames: Frames before which the end is forbidden (B,).
        max_frames: Frames at which a row stops (B,).
        sampling: How to draw.

    Returns:
        New codes of each row, (T_i,) each.
    """
    batch, size = text.shape
    prompt_size = prompt.shape[1]
    device = text.device
    limit = int(max_frames.max())
    cache = KVCache(size + prompt_size + limit)
    times = numbers(prompt)
    positions = torch.cat([text_positions, times], dim=1)
    x = torch.cat(
        [model._embed_text(text, text_positions), model._embed_codes(prompt, times)],
        dim=1,
    )
    valid_text = valid_mask(text_lengths, size)
    seen = torch.cat([valid_text, valid_mask(prompt_lengths, prompt_size)], dim=1)
    mask = F.pad(valid_text, (0, prompt_size))[:, None, None, :]
    mask = mask.expand(-1, -1, size + prompt_size, -1).clone()
    mask[:, :, size:, size:] = torch.ones(
        prompt_size, prompt_size, dtype=torch.bool, device=device
    ).tril()
    hidden = model.decoder(
        x,
        mask=model._scores(mask, positions, text_positions),
        turn=model._turn(positions),
        cache=cache,
    )
    last = torch.where(
        prompt_lengths > 0, size + prompt_lengths - 1, text_lengths - 1
    )
    hidden = hidden[torch.arange(batch, device=device), last]
    rows = torch.arange(batch, device=device)
    draws = sampling.draws(batch, limit).to(device)
    drawn: list[list[int]] = [[] for _ in range(batch)]
    for step in range(limit):
        logits = model.predict_layer(hidden).float()
        logits[step < min_frames[rows], model.codebook_size] = float("-inf")
        codes = sample(
            logits,
            draws[rows, step],
            sampling.temperature,
            sampling.top_k,
            sampling.top_p,
        )
        going = codes != model.codebook_size
        for row, code in zip(rows[going].tolist(), codes[going].tolist()):
            drawn[row].append(code)
        going &= step + 1 < max_frames[rows]
        if not bool(going.any()):
            break
        if not bool(going.all()):
            cache.select(going)
            rows, codes, seen = rows[going], codes[going], seen[going]
        times = (prompt_lengths[rows] + step).float().unsqueeze(1)
        seen = F.pad(seen, (0, 1), value=True)
        hidden = model.decoder(
            model._embed_codes(codes.unsqueeze(1), times),
            mask=model._scores(seen[:, None, None, :], times, text_positions[rows]),
            turn=model._turn(times),
            cache=cache,
        ).squeeze(1)
    return [torch.tensor(d, dtype=torch.long, device=device) for d in drawn]
