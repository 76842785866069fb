"""Step-by-step evaluation of the AR model: one code of every row at a time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from espnet_st.masks import valid_mask
from espnet_st.uslm.ar import AutoregressiveModel
from espnet_st.uslm.kv_cache import KVCache
from espnet_st.uslm.positions import frame_index
from espnet_st.uslm.special_tokens import NO_TEXT


class Continuation:
    """Texts and prompts that the AR model has read, and the codes after them.

    Texts and prompts are read once. Each further frame costs one position, however many
    there are before it.

    Args:
        model: The AR model.
        text: Token ids of prompt and target together (B, S), padded.
        text_lengths: Number of tokens (B,).
        text_positions: Position of each token (B, S).
        prompt: Semantic codes of the prompts (B, P), padded; P may be 0.
        prompt_lengths: Frames of each prompt (B,).
        max_frames: Largest number of frames to come.

    Attributes:
        logits: Scores of the next code and of the end (B, codebook_size + 1).
    """

    def __init__(
        self,
        model: AutoregressiveModel,
        text: Tensor,
        text_lengths: Tensor,
        text_positions: Tensor,
        prompt: Tensor,
        prompt_lengths: Tensor,
        max_frames: int,
    ) -> None:
        batch, size = text.shape
        prompt_size = prompt.shape[1]
        self._model = model
        self._cache = KVCache(size + prompt_size + max_frames)
        self._step = 0
        frames = torch.arange(max_frames, device=text.device)
        self._times = (prompt_lengths.unsqueeze(1) + frames).float()
        self._ropes = model.rope(self._times)
        valid_text = valid_mask(text_lengths, size)
        self._bias = self._make_bias(
            valid_text, valid_mask(prompt_lengths, prompt_size)
        )
        # The prior of a token that is infinitely far away is minus infinity.
        self._text_positions = text_positions.masked_fill(~valid_text, float("inf"))
        times = frame_index(prompt)
        mask = F.pad(valid_text, (0, prompt_size))[:, None, None, :]
        mask = mask.expand(-1, -1, size + prompt_size, -1).clone()
        mask[:, :, size:, size:] = torch.ones_like(mask[0, 0, size:, size:]).tril()
        positions = torch.cat([text_positions, times], dim=1)
        text_vectors = model.embed_text(text, text_positions)
        hidden = model.decoder(
            torch.cat([text_vectors, model.embed_codes(prompt, times)], dim=1),
            mask=model.attention_scores(mask, positions, text_positions),
            rope=model.rope(positions),
            cache=self._cache,
        )
        last = torch.where(
            prompt_lengths > 0, size + prompt_lengths - 1, text_lengths - 1
        )
        rows = torch.arange(batch, device=text.device)
        self.logits: Tensor = model.predict_layer(hidden[rows, last]).float()

    def _make_bias(self, text: Tensor, prompt: Tensor) -> Tensor | None:
        """Make what is added to the scores of all keys (B, H or 1, 1, L)."""
        slopes = self._model.prior_slopes
        visible = torch.cat([text, prompt], dim=1)
        if slopes is None and bool(visible.all()):
            return None
        heads = 1 if slopes is None else len(slopes)
        bias = torch.zeros(
            len(text), heads, 1, self._cache.capacity, device=text.device
        )
        bias[..., : visible.shape[1]].masked_fill_(
            ~visible[:, None, None], float("-inf")
        )
        return bias

    def _step_bias(self, times: Tensor) -> Tensor | None:
        """Give the bias (B, H or 1, 1, L) of a step at `times` (B, 1)."""
        if self._bias is None:
            return None
        slopes = self._model.prior_slopes
        if slopes is not None:
            distance = (times - self._text_positions).abs_().unsqueeze(1)
            size = distance.shape[-1]
            torch.mul(distance, -slopes.unsqueeze(1), out=self._bias[:, :, 0, :size])
        return self._bias[..., : self._cache.size + 1]

    def append(self, codes: Tensor) -> None:
        """Append one code to each row (B,), and compute the next `logits`."""
        step = slice(self._step, self._step + 1)
        times = self._times[:, step]
        rope = None if self._ropes is None else self._ropes[:, :, :, step]
        hidden = self._model.decoder(
            self._model.embed_codes(codes.unsqueeze(1), times),
            mask=self._step_bias(times),
            rope=rope,
            cache=self._cache,
        )
        self.logits = self._model.predict_layer(hidden.squeeze(1)).float()
        self._step += 1

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows (n,), in this order; `logits` stay as they are."""
        self._cache.select(rows)
        self._times = self._times[rows]
        self._text_positions = self._text_positions[rows]
        if self._bias is not None:
            self._bias = self._bias[rows]
        if self._ropes is not None:
            self._ropes = self._ropes[:, rows]


class GuidedContinuation(Continuation):
    """A continuation under classifier-free guidance (Ho and Salimans, 2022, eq. 6).

    With s(text) the scores after the text, s() those after a blank text and w the
    scale, codes are drawn from s() + w * (s(text) - s()). Both are evaluated together,
    as 2 * B rows.

    Args:
        model: The AR model.
        text: As of `Continuation`, like all that follow.
        text_lengths: See there.
        text_positions: See there.
        prompt: See there.
        prompt_lengths: See there.
        max_frames: See there.
        scale: The scale w; 1 is no guidance.
    """

    def __init__(
        self,
        model: AutoregressiveModel,
        text: Tensor,
        text_lengths: Tensor,
        text_positions: Tensor,
        prompt: Tensor,
        prompt_lengths: Tensor,
        max_frames: int,
        scale: float,
    ) -> None:
        super().__init__(
            model,
            torch.cat([text, torch.full_like(text, NO_TEXT)]),
            text_lengths.repeat(2),
            text_positions.repeat(2, 1),
            prompt.repeat(2, 1),
            prompt_lengths.repeat(2),
            max_frames,
        )
        self._scale = scale
        self._guide()

    def _guide(self) -> None:
        """Combine the scores of both halves of the rows."""
        with_text, without = self.logits.chunk(2)
        self.logits = without + self._scale * (with_text - without)

    def append(self, codes: Tensor) -> None:
        """Append one code to each row (B,), and compute the next `logits`."""
        super().append(torch.cat([codes, codes]))
        self._guide()

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows (n,), in this order; `logits` stay as they are."""
        super().keep(torch.cat([rows, rows + len(self._times) // 2]))
