"""Writing semantic codes with the AR model, one frame of every row at a time.

How a batch is prompted lives in `decoding`, how a code is drawn in `sampling`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from espnet_st.uslm.ar import AutoregressiveModel
from espnet_st.uslm.decoding.sampling import (
    Sampling,
    draw_numbers,
    redraw_repeated,
    sample,
)
from espnet_st.uslm.kv_cache import KVCache, fill_gaps
from espnet_st.uslm.positions import frame_index, valid_mask

NO_TEXT = 0
"""Token (`<blank>`) that stands for each token of a text that is kept from the model,
in training and in the unconditional pass of guidance."""


@dataclass
class ARHypothesis:
    """What the AR model wrote.

    Attributes:
        codes: Semantic codes (T,).
        score: Mean log probability of the codes, and of the end if it came.
        truncated: Whether the end did not come before the limit.
    """

    codes: torch.Tensor
    score: float
    truncated: bool


class Continuation:
    """Texts and prompts that an AR model has read, and goes on writing.

    They are read once; each further frame costs one position, whatever stands before.

    Args:
        model: The AR model.
        text: Token ids of prompt and target together (B, S), padded.
        text_lengths: Number of tokens (B,).
        text_positions: Position of each token (B, S).
        prompt: Semantic codes of the prompts (B, P), padded; P may be 0.
        prompt_lengths: Frames of each prompt (B,).
        room: Most frames to come.

    Attributes:
        logits: Scores of the next code and the end (B, codebook_size + 1).
    """

    def __init__(
        self,
        model: AutoregressiveModel,
        text: torch.Tensor,
        text_lengths: torch.Tensor,
        text_positions: torch.Tensor,
        prompt: torch.Tensor,
        prompt_lengths: torch.Tensor,
        room: int,
    ):
        batch, size = text.shape
        heard = prompt.shape[1]
        self._model = model
        self._cache = KVCache(size + heard + room)
        self._step = 0
        frames = torch.arange(room, device=text.device)
        self._times = (prompt_lengths.unsqueeze(1) + frames).float()
        self._ropes = model.rope(self._times)
        valid_text = valid_mask(text_lengths, size)
        self._bias = self._make_bias(valid_text, valid_mask(prompt_lengths, heard))
        # Far away is out of sight: the prior adds minus infinity.
        self._text_positions = text_positions.masked_fill(~valid_text, float("inf"))
        times = frame_index(prompt)
        mask = F.pad(valid_text, (0, heard))[:, None, None, :]
        mask = mask.expand(-1, -1, size + heard, -1).clone()
        mask[:, :, size:, size:] = torch.ones_like(mask[0, 0, size:, size:]).tril()
        positions = torch.cat([text_positions, times], dim=1)
        words = model.embed_text(text, text_positions)
        hidden = model.decoder(
            torch.cat([words, model.embed_codes(prompt, times)], dim=1),
            mask=model.scores(mask, positions, text_positions),
            rope=model.rope(positions),
            cache=self._cache,
        )
        last = torch.where(
            prompt_lengths > 0, size + prompt_lengths - 1, text_lengths - 1
        )
        rows = torch.arange(batch, device=text.device)
        self.logits = model.predict_layer(hidden[rows, last]).float()

    def _make_bias(self, text, prompt):
        """What is added to the scores of all positions to come (B, H or 1, 1, L)."""
        slopes = self._model.prior_slopes
        seen = torch.cat([text, prompt], dim=1)
        if slopes is None and bool(seen.all()):
            return None
        heads = 1 if slopes is None else len(slopes)
        bias = torch.zeros(
            len(text), heads, 1, self._cache.capacity, device=text.device
        )
        bias[..., : seen.shape[1]].masked_fill_(~seen[:, None, None], float("-inf"))
        return bias

    def _seen(self, times):
        """The bias (B, H or 1, 1, L) of a step at `times` (B, 1)."""
        if self._bias is None:
            return None
        slopes = self._model.prior_slopes
        if slopes is not None:
            distance = (times - self._text_positions).abs_().unsqueeze(1)
            size = distance.shape[-1]
            torch.mul(distance, -slopes.unsqueeze(1), out=self._bias[:, :, 0, :size])
        return self._bias[..., : self._cache.size + 1]

    def append(self, codes: torch.Tensor) -> None:
        """Go on by one code of each row (B,)."""
        step = slice(self._step, self._step + 1)
        times = self._times[:, step]
        rope = None if self._ropes is None else self._ropes[:, :, :, step]
        hidden = self._model.decoder(
            self._model.embed_codes(codes.unsqueeze(1), times),
            mask=self._seen(times),
            rope=rope,
            cache=self._cache,
        )
        self.logits = self._model.predict_layer(hidden.squeeze(1)).float()
        self._step += 1

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows only, in this order."""
        self._cache.select(rows)
        self._times = self._times[rows]
        self._text_positions = self._text_positions[rows]
        if self._bias is not None:
            self._bias = self._bias[rows]
        if self._ropes is not None:
            self._ropes = self._ropes[:, rows]


class GuidedContinuation(Continuation):
    """Continuations with their text and without it, and scores beyond the former.

    Classifier-free guidance (Ho and Salimans, 2022, eq. 6): s(text) are the scores, w
    the scale, and s() + w * (s(text) - s()) is what codes are drawn from.
    """

    def __init__(self, scale: float, model: AutoregressiveModel, *given, room: int):
        text, *others = given
        texts = torch.cat([text, torch.full_like(text, NO_TEXT)])
        super().__init__(
            model, texts, *(torch.cat([one, one]) for one in others), room=room
        )
        self._scale = scale
        self._guide()

    def _guide(self):
        with_text, without = self.logits.chunk(2)
        self.logits = without + self._scale * (with_text - without)

    def append(self, codes: torch.Tensor) -> None:
        """As `Continuation.append`."""
        super().append(torch.cat([codes, codes]))
        self._guide()

    def keep(self, rows: torch.Tensor) -> None:
        """As `Continuation.keep`."""
        super().keep(torch.cat([rows, rows + len(self._times) // 2]))


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
    seeds: Sequence[int],
    guide: Callable[[Continuation], Continuation] | None = None,
) -> list[ARHypothesis]:
    """Continue the prompts, all rows at once, with a key-value cache.

    Args:
        model: The AR model.
        text: As of `Continuation`, with what follows.
        text_lengths: See there.
        text_positions: See there.
        prompt: See there.
        prompt_lengths: See there.
        min_frames: Frames before which the end is forbidden (B,).
        max_frames: Frames at which a row stops (B,), at least 1.
        sampling: How to draw.
        seeds: One for each row; its draws depend on nothing else.
        guide: What changes the scores of the continuation on its way.

    Returns:
        What each row became.
    """
    batch, limit = len(text), int(max_frames.max())
    given = text, text_lengths, text_positions, prompt, prompt_lengths
    if sampling.cfg_scale == 1.0:
        future = Continuation(model, *given, room=limit)
    else:
        future = GuidedContinuation(sampling.cfg_scale, model, *given, room=limit)
    if guide:
        future = guide(future)
    numbers = draw_numbers(sampling, seeds, limit).to(text.device)
    recent = last_codes(prompt, prompt_lengths, sampling.ras_window)
    codes = text.new_zeros(batch, limit)
    frames = torch.zeros_like(text_lengths)
    ended = torch.zeros_like(text_lengths, dtype=torch.bool)
    scores = torch.zeros(batch, device=text.device)
    rows = torch.arange(batch, device=text.device)
    first_end = int(min_frames.max())
    for step in range(limit):
        logits = future.logits
        if step < first_end:
            logits[step < min_frames[rows], model.codebook_size] = float("-inf")
        drawn = sample(logits, numbers[0, rows, step], sampling)
        if sampling.ras_window:
            drawn = redraw_repeated(
                drawn, recent, logits, numbers[1, rows, step], sampling
            )
            recent[:, step % sampling.ras_window] = drawn
        codes[rows, step] = drawn
        chosen = logits.log_softmax(dim=-1).gather(1, drawn.unsqueeze(1))
        scores[rows] += chosen.squeeze(1)
        ends = drawn == model.codebook_size
        ended[rows] = ends
        frames[rows] += ~ends
        going = ~ends & (step + 1 < max_frames[rows])
        if not bool(going.any()):
            break
        if not bool(going.all()):
            kept = fill_gaps(going)
            rows, drawn, recent = rows[kept], drawn[kept], recent[kept]
            future.keep(kept)
        future.append(drawn)
    means = scores / (frames + ended)
    return [
        ARHypothesis(codes[row, :size], score, not end)
        for row, (size, score, end) in enumerate(
            zip(frames.tolist(), means.tolist(), ended.tolist())
        )
    ]


def last_codes(codes: torch.Tensor, lengths: torch.Tensor, count: int) -> torch.Tensor:
    """Give the last `count` of padded codes (B, P), -1 where there are fewer."""
    where = lengths.unsqueeze(1) + torch.arange(count, device=codes.device)
    return F.pad(codes, (count, 0), value=-1).gather(1, where)
