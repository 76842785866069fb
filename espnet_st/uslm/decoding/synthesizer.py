"""Decoding of a USLM: prompts, and the AR and NAR models in turn.

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
from espnet_st.uslm.decoding.aligner_guidance import make_guide
from espnet_st.uslm.decoding.ar import ARHypothesis, generate
from espnet_st.uslm.decoding.reranking import choose
from espnet_st.uslm.decoding.sampling import Sampling, other_seed
from espnet_st.uslm.positions import valid_mask
from espnet_st.uslm.texts import (
    Texts,
    align,
    check_text,
    join,
    pad_texts,
    predict_durations,
)

if TYPE_CHECKING:
    from espnet_st.uslm.uslm import USLM

ATTEMPTS = 4
"""Draws of a text before it counts as one that ends at once."""


@dataclass
class Prompt:
    """A voice to continue.

    Attributes:
        text: Token ids (S,) of what the prompt says. None if that is not known: then
            the prompt goes to the NAR model only.
        codes: Codes (n_q, T) of the prompt.
    """

    text: torch.Tensor | None
    codes: torch.Tensor


@dataclass
class SynthesisResult:
    """What a text became.

    Attributes:
        codes: Codes (n_q, T); T is 0 if the model ended at once, again and again.
        score: Mean log probability of the semantic codes; comparable for one text.
        truncated: Whether the model did not end before the limit and was cut.
    """

    codes: torch.Tensor
    score: float
    truncated: bool


@dataclass
class Options(Sampling):
    """How to decode: the AR model's draws, and what is around. NAR is greedy.

    Attributes:
        nbest: Candidates drawn for each text; `candidates.choose` takes one.
        minlenratio: Fewest frames per text token.
        maxlenratio: Most frames per text token.
        ar_prompt: Whether the prompt's semantic codes and text go before the AR
            model's, as in the paper, or to the NAR model only.
        seeds: One for each text: the same text, prompt and seed give the same codes
            in any batch. 0 by default.
    """

    nbest: int = 1
    minlenratio: float = 0.0
    maxlenratio: float = 20.0
    ar_prompt: bool = True
    seeds: Sequence[int] = ()

    def check(self) -> None:
        """As `Sampling.check`."""
        super().check()
        if self.nbest < 1:
            raise ValueError(f"nbest is {self.nbest}: give 1 or more")
        if not 0 <= self.minlenratio <= self.maxlenratio:
            raise ValueError(
                f"minlenratio is {self.minlenratio}, maxlenratio {self.maxlenratio}: "
                "give two numbers from 0, the smaller one first"
            )


@dataclass
class PromptBatch:
    """Prompts as the models take them.

    Attributes:
        codes: Codes of each (n_q, P_i).
        semantic: Their semantic codes (B, P), padded.
        frames: P_i (B,).
        said: What they say, nothing where it is not known.
    """

    codes: list[torch.Tensor]
    semantic: torch.Tensor
    frames: torch.Tensor
    said: Texts


@torch.no_grad()
def synthesize(
    model: USLM,
    texts: Sequence[torch.Tensor],
    prompts: Sequence[Prompt | None],
    options: Options,
) -> list[SynthesisResult]:
    """Speak a batch of texts; see `USLM.synthesize`."""
    options.check()
    for text, prompt in zip(texts, prompts, strict=True):
        check_request(model, text, prompt)
    if model.text_marks:
        texts, prompts = model.text_marks.place(texts, prompts, options.ar_prompt)
    voices = encode_prompts(model, prompts)
    new = predict_durations(model, _padded(model, texts), voices.said, voices.frames)
    drawn = sample_semantic(model, voices, new, options)
    codes = predict_acoustic(model, voices, new, [one.codes for one in drawn])
    return [
        SynthesisResult(every, one.score, one.truncated)
        for every, one in zip(codes, drawn)
    ]


@torch.no_grad()
def revoice(
    model: USLM,
    semantic: Sequence[torch.Tensor],
    texts: Sequence[torch.Tensor | None],
    prompts: Sequence[Prompt],
) -> list[torch.Tensor]:
    """Say what is said already in the voices of prompts: the NAR model alone.

    Args:
        model: The model.
        semantic: Semantic codes of the sources (T_i,).
        texts: What they say, token ids (S_i,). Where that is None, the NAR model gets
            no text and goes by the codes.
        prompts: The voices.

    Returns:
        Codes (n_q, T_i).

    Raises:
        ValueError: If there are no codes, tokens or codes are out of range, source
            and prompt together are longer than `max_frames`, or the model has no NAR
            half.
    """
    model.need("nar")
    for codes, text, prompt in zip(semantic, texts, prompts, strict=True):
        check_codes(codes[None], model.codebook_size)
        check_request(model, text, prompt)
        frames = len(codes), prompt.codes.shape[1]
        if min(frames) == 0 or sum(frames) > model.max_frames:
            raise ValueError(
                f"{frames[0]} frames in a voice of {frames[1]}: give some of both, "
                f"together at most max_frames, {model.max_frames}"
            )
    if model.text_marks:
        texts, prompts = model.text_marks.place(texts, prompts, continued=True)
    new = _padded(model, texts)
    device = new.ids.device
    return predict_acoustic(
        model,
        encode_prompts(model, prompts),
        new,
        [codes.to(device) for codes in semantic],
    )


def encode_prompts(model: USLM, prompts: Sequence[Prompt | None]) -> PromptBatch:
    """Pad prompts, and find where their words sound."""
    device = next(model.parameters()).device
    silence = torch.zeros(model.n_q, 0, dtype=torch.long)
    codes = [silence if p is None else p.codes for p in prompts]
    words = [None if p is None or p.codes.shape[1] == 0 else p.text for p in prompts]
    codes = [one.to(device) for one in codes]
    padded, frames = pad_codes(codes)
    frames = frames.to(device)
    said = align(model, _padded(model, words), padded[0], frames)
    return PromptBatch(codes, padded[0], frames, said)


def sample_semantic(
    model: USLM, voices: PromptBatch, new: Texts, options: Options
) -> list[ARHypothesis]:
    """Draw semantic codes of new texts, the best of `nbest`, after their prompts.

    What ends at once is drawn again, up to `ATTEMPTS` times in all.
    """
    continued = (voices.said.lengths > 0) & options.ar_prompt
    heard = voices.frames * continued
    said = voices.said.only(continued)
    whole = join(said, new, said.lengths if model.aligner is None else heard)
    most = (new.lengths * options.maxlenratio).ceil().long().clamp(min=1)
    given = (
        *whole.given(),
        voices.semantic[:, : int(heard.max())],
        heard,
        (new.lengths * options.minlenratio).long(),
        torch.minimum(most, model.max_frames - voices.frames),
    )
    seeds = list(options.seeds) or [0] * len(new.lengths)
    best: dict[int, ARHypothesis] = {}
    rows, count = list(range(len(seeds))), options.nbest
    for attempt in range(1 if options.greedy else ATTEMPTS):
        each = [row for row in rows for _ in range(count)]
        asked = new.take(each)
        tries = range(attempt * count, (attempt + 1) * count)
        drawn = generate(
            model.ar,
            *(part[each] for part in given),
            sampling=options,
            seeds=[other_seed(seeds[row], number) for row in rows for number in tries],
            guide=make_guide(model.aligner, options.align_scale, asked),
        )
        chosen = choose(asked.ids, asked.lengths, drawn, count, model.aligner)
        best |= zip(rows, chosen)
        rows = [row for row in rows if len(best[row].codes) == 0]
        if not rows:
            break
    return [best[row] for row in range(len(seeds))]


def predict_acoustic(
    model: USLM, voices: PromptBatch, new: Texts, semantic: list[torch.Tensor]
) -> list[torch.Tensor]:
    """Complete semantic codes (T_i,) of texts by the NAR model: (n_q, T_i) each."""
    frames = torch.tensor([len(codes) for codes in semantic], device=new.ids.device)
    joined = [
        torch.cat([prompt, F.pad(codes[None], (0, 0, 0, model.n_q - 1))], dim=1)
        for prompt, codes in zip(voices.codes, semantic)
    ]
    codes, lengths = pad_codes(joined)
    if codes.shape[2] > 0:
        # Now that codes are there, they tell where the texts sound.
        new = align(model, new, pad_sequence(semantic, batch_first=True), frames)
        said = voices.said
        offsets = said.lengths if model.aligner is None else voices.frames
        codes = model.nar.generate(
            *join(said, new, offsets).given(),
            codes,
            voices.frames + frames,
            valid_mask(voices.frames, codes.shape[2]),
        )
    spans = zip(voices.frames.tolist(), lengths.tolist())
    return [codes[:, row, start:end] for row, (start, end) in enumerate(spans)]


def check_request(
    model: USLM, text: torch.Tensor | None, prompt: Prompt | None
) -> None:
    """Refuse what the model cannot speak or continue.

    Raises:
        ValueError: As `USLM.synthesize`.
    """
    if text is not None:
        check_text(text[None], torch.tensor([len(text)]), model.idim)
    if prompt is None:
        return
    check_codes(prompt.codes, model.codebook_size, model.n_q)
    frames = prompt.codes.shape[1]
    if frames and prompt.text is not None:
        check_text(prompt.text[None], torch.tensor([len(prompt.text)]), model.idim)
    if frames >= model.max_frames:
        raise ValueError(
            f"the prompt has {frames} frames: give fewer than max_frames, "
            f"{model.max_frames}; some 3 seconds are enough"
        )


def _padded(model, texts):
    """Texts of token ids or None, on the model's device."""
    device = next(model.parameters()).device
    nothing = torch.zeros(0, dtype=torch.long)
    return pad_texts([(nothing if t is None else t).to(device) for t in texts])
