"""Synthesis: a batch of texts becomes codes, by the AR and then the NAR model.

During inference the text and codes of a prompt go before those of the target (paper,
section 3.4, last paragraph).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_st.codes import pad_codes
from espnet_st.masks import valid_mask
from espnet_st.uslm.aligner import TextAligner, center_positions
from espnet_st.uslm.ar import AutoregressiveModel
from espnet_st.uslm.decoding.aligner_guidance import make_guidance
from espnet_st.uslm.decoding.ar import ARHypothesis, generate
from espnet_st.uslm.decoding.limits import Limits
from espnet_st.uslm.decoding.options import DecodingOptions
from espnet_st.uslm.decoding.prompts import Prompt, PromptBatch
from espnet_st.uslm.decoding.reranking import select_best
from espnet_st.uslm.decoding.sampling import derive_seed
from espnet_st.uslm.nar import NonAutoregressiveModel
from espnet_st.uslm.special_tokens import SpecialTokens
from espnet_st.uslm.texts import TextBatch, concatenate, pad_texts

ATTEMPTS = 4
"""Draws of a text before it counts as one that ends at once."""


@dataclass
class SynthesisResult:
    """The codes of one text.

    Attributes:
        codes: Codes (n_q, T); T is 0 if the model ended at once, again and again.
        score: Mean log probability of the semantic codes; comparable for one text.
        truncated: Whether the model did not end before the limit and was cut.
    """

    codes: Tensor
    score: float
    truncated: bool


class Synthesizer:
    """Synthesis of texts in the voices of prompts, and conversion of voices.

    The steps of `synthesize` are `encode_prompts`, `predict_durations`,
    `sample_semantic` and `predict_acoustic`.

    Args:
        ar: The AR model; None if only voices are to be converted.
        nar: The NAR model.
        aligner: Finds the frames of text tokens. Without it, tokens are numbered.
        special_tokens: Tokens to put around texts, if the model has such.
        limits: What texts and codes may be.
    """

    def __init__(
        self,
        ar: AutoregressiveModel | None,
        nar: NonAutoregressiveModel,
        aligner: TextAligner | None,
        special_tokens: SpecialTokens | None,
        limits: Limits,
    ) -> None:
        self.ar = ar
        self.nar = nar
        self.aligner = aligner
        self.special_tokens = special_tokens
        self.limits = limits

    @torch.no_grad()
    def synthesize(
        self,
        texts: Sequence[Tensor],
        prompts: Sequence[Prompt | None],
        options: DecodingOptions,
    ) -> list[SynthesisResult]:
        """Speak a batch of texts, each in the voice of its prompt.

        Args:
            texts: Token ids (S_i,).
            prompts: Prompts, or None for any voice.
            options: How to decode.

        Returns:
            A result for each text.

        Raises:
            ValueError: If an option is out of range, guidance needs an aligner that
                the model does not have, or a request is beyond the limits.
        """
        options.check()
        for text, prompt in zip(texts, prompts, strict=True):
            self.limits.check_request(text, prompt)
        if self.special_tokens:
            surrounded, prompts = self.special_tokens.surround_prompted(
                texts, prompts, options.ar_prompt
            )
            texts = [text for text in surrounded if text is not None]
        encoded = self.encode_prompts(prompts)
        padded = self.predict_durations(self._pad(texts), encoded)
        hypotheses = self.sample_semantic(padded, encoded, options)
        codes = self.predict_acoustic(padded, encoded, [h.codes for h in hypotheses])
        return [
            SynthesisResult(whole, one.score, one.truncated)
            for whole, one in zip(codes, hypotheses)
        ]

    @torch.no_grad()
    def convert_voices(
        self,
        semantic: Sequence[Tensor],
        texts: Sequence[Tensor | None],
        prompts: Sequence[Prompt | None],
    ) -> list[Tensor]:
        """Predict acoustic codes of sources in the voices of prompts, by NAR alone.

        Args:
            semantic: Semantic codes of the sources (T_i,).
            texts: Token ids of what the sources say (S_i,). Where that is None, the NAR
                model gets no text and goes by the codes.
            prompts: The voices; here None is refused.

        Returns:
            Codes (n_q, T_i) of each source.

        Raises:
            ValueError: If a source or a request is beyond the limits.
        """
        for codes, text, prompt in zip(semantic, texts, prompts, strict=True):
            self.limits.check_request(text, prompt)
            self.limits.check_source(codes, prompt)
        if self.special_tokens:
            texts, prompts = self.special_tokens.surround_prompted(
                texts, prompts, continued=True
            )
        encoded = self.encode_prompts(prompts)
        semantic = [codes.to(self._device) for codes in semantic]
        return self.predict_acoustic(self._pad(texts), encoded, semantic)

    def encode_prompts(self, prompts: Sequence[Prompt | None]) -> PromptBatch:
        """Pad prompts, and find the frames of their text tokens."""
        nothing = torch.zeros(self.limits.n_q, 0, dtype=torch.long)
        codes = [nothing if p is None else p.codes for p in prompts]
        texts = [
            None if p is None or p.codes.shape[1] == 0 else p.text for p in prompts
        ]
        codes = [one.to(self._device) for one in codes]
        padded, lengths = pad_codes(codes)
        lengths = lengths.to(self._device)
        located = self._locate(self._pad(texts), padded[0], lengths)
        return PromptBatch(codes, padded[0], lengths, located)

    def predict_durations(self, texts: TextBatch, prompts: PromptBatch) -> TextBatch:
        """Predict the durations of text tokens at the pace of their prompts.

        A prompt without text tells no pace: tokens take their mean durations.

        Args:
            texts: Texts to speak.
            prompts: Their prompts.

        Returns:
            The texts with durations, and positions from 0; as they are without an
            aligner.
        """
        if self.aligner is None:
            return texts
        known = prompts.texts
        usual = self.aligner.expected_durations(known.ids, known.lengths).sum(dim=1)
        pace = torch.where(known.lengths > 0, prompts.lengths / usual, 1.0)
        durations = self.aligner.expected_durations(texts.ids, texts.lengths)
        durations = durations * pace.unsqueeze(1)
        positions = center_positions(durations, durations.sum(dim=1))
        return TextBatch(texts.ids, texts.lengths, positions, durations)

    def sample_semantic(
        self, texts: TextBatch, prompts: PromptBatch, options: DecodingOptions
    ) -> list[ARHypothesis]:
        """Sample semantic codes of texts after their prompts, the best of `nbest`.

        A text that ends at once is sampled again, up to `ATTEMPTS` times in all.

        Args:
            texts: Texts to speak, from `predict_durations`.
            prompts: Their prompts.
            options: How to decode.

        Returns:
            A hypothesis for each text.

        Raises:
            ValueError: If guidance needs an aligner that the model does not have.
        """
        assert self.ar is not None, "no AR model to sample from"
        continued = (prompts.texts.lengths > 0) & options.ar_prompt
        prompt_lengths = prompts.lengths * continued
        prompt_texts = prompts.texts.keep_where(continued)
        offsets = prompt_texts.lengths if self.aligner is None else prompt_lengths
        most = (texts.lengths * options.maxlenratio).ceil().long().clamp(min=1)
        text, text_lengths, positions = concatenate(prompt_texts, texts, offsets).inputs
        inputs = dict(
            text=text,
            text_lengths=text_lengths,
            text_positions=positions,
            prompt=prompts.semantic[:, : int(prompt_lengths.max())],
            prompt_lengths=prompt_lengths,
            min_frames=(texts.lengths * options.minlenratio).long(),
            max_frames=torch.minimum(most, self.limits.max_frames - prompts.lengths),
        )
        seeds = list(options.seeds) or [0] * len(texts.lengths)
        best: dict[int, ARHypothesis] = {}
        rows, nbest = list(range(len(seeds))), options.nbest
        for attempt in range(1 if options.greedy else ATTEMPTS):
            each = [row for row in rows for _ in range(nbest)]
            tries = range(attempt * nbest, (attempt + 1) * nbest)
            candidates = texts.select(each)
            hypotheses = generate(
                self.ar,
                **{name: part[each] for name, part in inputs.items()},
                sampling=options,
                seeds=[derive_seed(seeds[row], n) for row in rows for n in tries],
                processors=make_guidance(self.aligner, options.align_scale, candidates),
            )
            selected = select_best(
                candidates.ids, candidates.lengths, hypotheses, nbest, self.aligner
            )
            best |= zip(rows, selected)
            rows = [row for row in rows if len(best[row].codes) == 0]
            if not rows:
                break
        return [best[row] for row in range(len(seeds))]

    def predict_acoustic(
        self, texts: TextBatch, prompts: PromptBatch, semantic: Sequence[Tensor]
    ) -> list[Tensor]:
        """Predict the acoustic codes that belong to semantic codes, by the NAR model.

        Args:
            texts: Texts of the semantic codes.
            prompts: Their prompts.
            semantic: Semantic codes (T_i,).

        Returns:
            Codes (n_q, T_i) of all layers.
        """
        device = texts.ids.device
        frames = torch.tensor([len(codes) for codes in semantic], device=device)
        with_prompts = [
            torch.cat([prompt, F.pad(codes[None], (0, 0, 0, self.limits.n_q - 1))], 1)
            for prompt, codes in zip(prompts.codes, semantic)
        ]
        codes, lengths = pad_codes(with_prompts)
        if codes.shape[2] > 0:
            # The codes tell better than predicted durations which frames a token takes.
            padded = pad_sequence(list(semantic), batch_first=True)
            located = self._locate(texts, padded, frames)
            first = prompts.texts
            offsets = first.lengths if self.aligner is None else prompts.lengths
            codes = self.nar.generate(
                *concatenate(first, located, offsets).inputs,
                codes,
                prompts.lengths + frames,
                valid_mask(prompts.lengths, codes.shape[2]),
            )
        spans = zip(prompts.lengths.tolist(), lengths.tolist())
        return [codes[:, row, start:end] for row, (start, end) in enumerate(spans)]

    @property
    def _device(self) -> torch.device:
        """Tell where the models are."""
        return next(self.nar.parameters()).device

    def _locate(self, texts: TextBatch, codes: Tensor, frames: Tensor) -> TextBatch:
        """Find the positions of text tokens in semantic codes (B, T) of frames (B,)."""
        if self.aligner is None:
            return texts
        positions = self.aligner.token_positions(
            texts.ids, texts.lengths, codes, frames
        )
        return TextBatch(texts.ids, texts.lengths, positions)

    def _pad(self, texts: Sequence[Tensor | None]) -> TextBatch:
        """Pad texts on the models' device; one that is not known becomes empty."""
        nothing = torch.zeros(0, dtype=torch.long)
        return pad_texts(
            [(nothing if t is None else t).to(self._device) for t in texts]
        )
