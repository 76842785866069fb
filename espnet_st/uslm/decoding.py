"""Decoding of a USLM: prompts, paces, and the AR and NAR models in turn.

During inference the text and codes of a prompt go before those wanted (paper,
section 3.4, last paragraph).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from espnet_st.codes import check_codes, pad_codes
from espnet_st.uslm.alignment import centres, lengths_of
from espnet_st.uslm.ar import Sampling
from espnet_st.uslm.positions import numbers, valid_mask
from espnet_st.uslm.sampling import check_sampling

if TYPE_CHECKING:
    from espnet_st.uslm.uslm import USLM


@dataclass
class Prompt:
    """A voice to continue.

    Attributes:
        text: Token ids (S,) of what the prompt says.
        codes: Codes (n_q, T) of the prompt.
    """

    text: torch.Tensor
    codes: torch.Tensor


@dataclass
class Options:
    """How to decode.

    Attributes:
        temperature: Of the AR model's draws; 0 is greedy. NAR is greedy.
        top_k: Codes to draw from, 0 for all.
        top_p: Probability mass to draw from.
        minlenratio: Fewest frames per text token.
        maxlenratio: Most frames per text token.
        ar_prompt: Whether the prompt's semantic codes and text go before the AR
            model's, as in the paper, or to the NAR model only.
        seeds: One for each text: the same text, prompt and seed give the same codes
            in any batch. 0 by default.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    minlenratio: float = 0.0
    maxlenratio: float = 20.0
    ar_prompt: bool = True
    seeds: Sequence[int] = ()


@dataclass
class Texts:
    """Padded texts: token ids (B, S), lengths (B,), positions (B, S)."""

    ids: torch.Tensor
    lengths: torch.Tensor
    positions: torch.Tensor

    def given(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All three, as the models take them."""
        return self.ids, self.lengths, self.positions


@torch.no_grad()
def synthesize(
    model: USLM,
    texts: Sequence[torch.Tensor],
    prompts: Sequence[Prompt | None],
    options: Options,
) -> list[torch.Tensor]:
    """Speak a batch of texts; see `USLM.synthesize`."""
    check_sampling(options.temperature, options.top_k, options.top_p)
    device = next(model.parameters()).device
    nothing = Prompt(
        torch.zeros(0, dtype=torch.long), torch.zeros(model.n_q, 0, dtype=torch.long)
    )
    filled = [prompt or nothing for prompt in prompts]
    for text, prompt in zip(texts, filled, strict=True):
        check_request(model, text, prompt)
    if model.text_marks:
        texts, filled = model.text_marks.place(texts, filled, options.ar_prompt)
    prompt_codes, prompt_frames = pad_codes([prompt.codes for prompt in filled])
    prompt_codes, prompt_frames = prompt_codes.to(device), prompt_frames.to(device)
    heard = prompt_codes[0], prompt_frames
    said = align(model, pad_texts([p.text.to(device) for p in filled]), *heard)
    new = foresee(model, pad_texts([t.to(device) for t in texts]), said, prompt_frames)
    offsets = said.lengths if model.aligner is None else prompt_frames
    most = (new.lengths * options.maxlenratio).ceil().long().clamp(min=1)
    whole = join(said, new, offsets)
    if not options.ar_prompt:
        whole = new
        heard = prompt_codes[0, :, :0], torch.zeros_like(prompt_frames)
    semantic = model.ar.generate(
        *whole.given(),
        *heard,
        min_frames=(new.lengths * options.minlenratio).long(),
        max_frames=torch.minimum(most, model.max_frames - prompt_frames),
        sampling=Sampling(
            options.temperature, options.top_k, options.top_p, options.seeds
        ),
    )
    frames = torch.tensor([len(codes) for codes in semantic], device=device)
    joined = [
        torch.cat([prompt.codes.to(device), only_semantic(codes, model.n_q)], dim=1)
        for prompt, codes in zip(filled, semantic)
    ]
    codes, lengths = pad_codes(joined)
    if codes.shape[2] > 0:
        # Now that codes are drawn, they tell where the texts sound.
        new = align(model, new, pad_sequence(semantic, batch_first=True), frames)
        codes = model.nar.generate(
            *join(said, new, offsets).given(),
            codes,
            prompt_frames + frames,
            valid_mask(prompt_frames, codes.shape[2]),
        )
    spans = zip(prompt_frames.tolist(), lengths.tolist())
    return [codes[:, row, start:end] for row, (start, end) in enumerate(spans)]


def only_semantic(codes: torch.Tensor, n_q: int) -> torch.Tensor:
    """Codes (n_q, T) of which the first layer (T,) is known, the others 0."""
    return F.pad(codes[None], (0, 0, 0, n_q - 1))


def check_request(model: USLM, text: torch.Tensor, prompt: Prompt) -> None:
    """Refuse what the model cannot speak or continue.

    Raises:
        ValueError: As `USLM.synthesize`.
    """
    model.check_text(text[None], torch.tensor([len(text)]))
    check_codes(prompt.codes, model.codebook_size, model.n_q)
    if prompt.codes.shape[1]:
        model.check_text(prompt.text[None], torch.tensor([len(prompt.text)]))
    if prompt.codes.shape[1] >= model.max_frames:
        raise ValueError(
            f"the prompt has {prompt.codes.shape[1]} frames: give fewer than "
            f"max_frames, {model.max_frames}"
        )


def align(
    model: USLM, texts: Texts, codes: torch.Tensor, frames: torch.Tensor
) -> Texts:
    """Place texts where they sound in semantic codes (B, T) of so many frames (B,)."""
    if model.aligner is None:
        return texts
    path = model.aligner.align(texts.ids, texts.lengths, codes, frames)
    spans = lengths_of(path, frames, texts.ids.shape[1] + 2)
    return Texts(texts.ids, texts.lengths, centres(spans, frames))


def foresee(
    model: USLM, texts: Texts, prompts: Texts, prompt_frames: torch.Tensor
) -> Texts:
    """Place texts where they would sound at the pace of their prompts."""
    if model.aligner is None:
        return texts
    usual = model.aligner.expected(prompts.ids, prompts.lengths).sum(dim=1)
    pace = torch.where(prompts.lengths > 0, prompt_frames / usual, 1.0)
    spans = model.aligner.expected(texts.ids, texts.lengths)
    where = centres(spans, pace * spans.sum(dim=1))
    return Texts(texts.ids, texts.lengths, where)


def pad_texts(texts: list[torch.Tensor]) -> Texts:
    """Padded texts, their tokens numbered."""
    lengths = torch.tensor([len(text) for text in texts], device=texts[0].device)
    ids = pad_sequence(texts, batch_first=True)
    return Texts(ids, lengths, numbers(ids))


def join(first: Texts, second: Texts, offsets: torch.Tensor) -> Texts:
    """Put texts after each other, the second's positions moved by offsets (B,)."""
    ids, places = [], []
    for row, (a, b) in enumerate(zip(first.lengths.tolist(), second.lengths.tolist())):
        ids.append(torch.cat([first.ids[row, :a], second.ids[row, :b]]))
        later = second.positions[row, :b] + offsets[row]
        places.append(torch.cat([first.positions[row, :a], later]))
    return Texts(
        pad_sequence(ids, batch_first=True),
        first.lengths + second.lengths,
        pad_sequence(places, batch_first=True),
    )
