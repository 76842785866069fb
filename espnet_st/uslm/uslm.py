"""USLM: phonemes to codes, an ESPnet TTS model (paper, section 3.4).

The AR model predicts the semantic codes, the NAR model the acoustic ones. This module
is what ESPnet builds and trains. Losses are in `training`, synthesis in `decoding`. The
room `inference` turns text into tokens, and codes into sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.tts.abs_tts import AbsTTS
from torch import Tensor, nn

from espnet_st.codes import check_codes, from_feats, to_feats
from espnet_st.uslm.aligner import TextAligner
from espnet_st.uslm.ar import AutoregressiveModel
from espnet_st.uslm.autocast import PRECISIONS, autocast, read_switch
from espnet_st.uslm.code_embeddings import (
    TableEmbedding,
    init_tables,
    read_codebooks,
)
from espnet_st.uslm.decoding.limits import Limits
from espnet_st.uslm.decoding.options import DecodingOptions
from espnet_st.uslm.decoding.prompts import Prompt
from espnet_st.uslm.decoding.synthesizer import SynthesisResult, Synthesizer
from espnet_st.uslm.nar import NonAutoregressiveModel
from espnet_st.uslm.positions import frame_index
from espnet_st.uslm.special_tokens import NO_TEXT, SpecialTokens
from espnet_st.uslm.texts import check_text
from espnet_st.uslm.training.batch import TrainingBatch, ar_loss, nar_loss
from espnet_st.uslm.training.nar_plan import NARTrainingPlan, check_choice


class USLM(AbsTTS):
    """AR and NAR transformers over the codes of a codec.

    Defaults are the paper's sizes (section 4.1) in the form of the USLM release.
    Options from `rotary` to `codebooks` help small models on little data; they are off
    by default.

    Args:
        idim: Number of text tokens.
        odim: Number of codebooks, n_q.
        codebook_size: Entries of each codebook.
        d_model: Width of both transformers.
        n_heads: Attention heads.
        ar_layers: Layers of the AR model.
        nar_layers: Layers of the NAR model.
        ffn_size: Width of the feed-forward parts.
        dropout: Dropout rate.
        train: Which models there are: `"both"`, or `"ar"` or `"nar"` alone, to be
            merged with the other by `bin.merge_uslm`.
        nar_stages: Layers that the NAR model learns from a batch, see `draw_stages`.
        nar_prompt: Its prompt in training: a `"prefix"` of the utterance, another
            utterance of the `"speaker"` (data `voice`), or `"none"`, as in the release;
            then the frames of a prompt carry no more layers than those to predict, in
            decoding too.
        nar_prompt_frames: Longest such prompt, in frames (150 are the paper's 3 s).
        text_dropout: In training, share of utterances whose tokens are all replaced
            by token 0, for classifier-free guidance.
        max_frames: Longest sequence of prompt and new codes.
        rotary: Rotary positions in place of sine positions.
        align: Whether text tokens stand at the frames that they take, found by a
            `TextAligner` that learns while the models do; new text takes the mean
            durations of its tokens and the pace of the prompt. Else they are numbered.
        align_jitter: In training, spread of the logarithm of a factor drawn for the
            duration of each token.
        text_prior: Whether AR heads prefer the text near the current frame.
        code_noise: In training, share of the AR's input codes replaced at random.
        codebooks: The codec's vectors (n_q, codebook_size, E), or a .npy file of
            them.
        codebooks_as: `"vectors"`: the NAR model reads and scores codes by the
            codebooks; `"tables"`: the embeddings of both models start from them.
        gradient_checkpointing: Whether to keep only the inputs of layers for the
            backward pass, and compute the rest again: less memory, a third more time.
        bfloat16: `"auto"` computes in bfloat16 on a CPU that has the matrix units
            for it (AMX), `"on"` on every CPU, `"off"` never. True and False, as YAML
            reads a bare `on` or `off`, mean the same. On a GPU ESPnet's `use_amp`
            decides.
        text_marks: Ids of the special tokens before a text, between those of a prompt
            and of the target, and after, which the model then adds itself; the release
            has <bos>, _ and <eos>.
        speech_prompt: Whether ESPnet's command `tts_inference` passes its data
            `speech` on, as the voice of each text.

    Raises:
        ValueError: If a setting is out of its range.
    """

    def __init__(
        self,
        idim: int,
        odim: int,
        codebook_size: int = 1024,
        d_model: int = 1024,
        n_heads: int = 16,
        ar_layers: int = 12,
        nar_layers: int = 12,
        ffn_size: int = 4096,
        dropout: float = 0.1,
        train: str = "both",
        nar_stages: str = "turns",
        nar_prompt: str = "prefix",
        nar_prompt_frames: int = 150,
        text_dropout: float = 0.0,
        max_frames: int = 2000,
        rotary: bool = False,
        align: bool = False,
        align_jitter: float = 0.2,
        text_prior: bool = False,
        code_noise: float = 0.0,
        codebooks: str | Tensor | None = None,
        codebooks_as: str = "vectors",
        gradient_checkpointing: bool = False,
        bfloat16: str | bool = "off",
        text_marks: Sequence[int] | None = None,
        speech_prompt: bool = False,
    ) -> None:
        super().__init__()
        bfloat16 = read_switch(bfloat16)
        check_choice("train", train, ("both", "ar", "nar"))
        check_choice("codebooks_as", codebooks_as, ("vectors", "tables"))
        check_choice("bfloat16", bfloat16, PRECISIONS)
        if text_prior and not align:
            raise ValueError("text_prior needs align: true")
        if not 0 <= text_dropout <= 1:
            raise ValueError(f"text_dropout is {text_dropout}: give a share, 0 to 1")
        if nar_stages == "release" and odim < 3:
            raise ValueError(f"nar_stages: release needs 3 codebooks, not {odim}")
        self.special_tokens = SpecialTokens.from_ids(text_marks, idim)
        self.idim = idim
        self.n_q = odim
        self.codebook_size = codebook_size
        self.nar_plan = NARTrainingPlan(nar_stages, nar_prompt, nar_prompt_frames)
        self.text_dropout = text_dropout
        self.max_frames = max_frames
        self.aligner = TextAligner(idim, codebook_size) if align else None
        self.align_jitter = align_jitter
        self.bfloat16 = bfloat16
        self.spks = self.langs = self.spk_embed_dim = None
        # ESPnet's name for a model that speaks like a reference.
        self.use_gst = speech_prompt
        books = read_codebooks(codebooks, odim, codebook_size)
        common: dict[str, Any] = dict(
            d_model=d_model,
            n_heads=n_heads,
            ffn_size=ffn_size,
            dropout=dropout,
            rotary=rotary,
            checkpointing=gradient_checkpointing,
        )
        self.ar: AutoregressiveModel | None = None
        self.nar: NonAutoregressiveModel | None = None
        if train != "nar":
            self.ar = AutoregressiveModel(
                idim,
                codebook_size,
                n_layers=ar_layers,
                text_prior=text_prior,
                code_noise=code_noise,
                **common,
            )
        if train != "ar":
            self.nar = NonAutoregressiveModel(
                idim,
                codebook_size,
                n_q=odim,
                n_layers=nar_layers,
                codebooks=books if codebooks_as == "vectors" else None,
                whole_prompt=nar_prompt != "none",
                **common,
            )
        if books is not None and codebooks_as == "tables":
            tables: list[Iterable[nn.Embedding]] = []
            if self.nar is not None and isinstance(self.nar.codes, TableEmbedding):
                tables.append(self.nar.codes.tables)
            if self.ar is not None:
                tables.append([self.ar.audio_embedding])
            init_tables(tables, books)

    @property
    def require_vocoder(self) -> bool:
        """Tell ESPnet to build a vocoder, see `frontend.vocoder`."""
        return True

    @property
    def synthesizer(self) -> Synthesizer:
        """Give what decodes with these models.

        Raises:
            ValueError: If there is no NAR model.
        """
        self.need("nar")
        assert self.nar is not None
        limits = Limits(self.n_q, self.codebook_size, self.idim, self.max_frames)
        return Synthesizer(self.ar, self.nar, self.aligner, self.special_tokens, limits)

    def forward(
        self,
        text: Tensor,
        text_lengths: Tensor,
        feats: Tensor,
        feats_lengths: Tensor,
        voice: Tensor | None = None,
        voice_lengths: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the sum of the AR and NAR losses, each a mean over its codes.

        In evaluation all layers of the NAR model count, nothing is random, and a prefix
        is a third of its utterance.

        Args:
            text: Token ids (B, S), padded.
            text_lengths: Number of tokens (B,).
            feats: Codes as ESPnet loads them (B, T, n_q).
            feats_lengths: Frames (B,).
            voice: Codes of other utterances of the same speakers (B, P, n_q), for
                `nar_prompt: speaker`. (ESPnet's preprocessor takes data named
                `prompt` for words.)
            voice_lengths: Their frames (B,).
            **kwargs: Other inputs of ESPnet's TTS models; unused.

        Returns:
            Loss, statistics (see `losses`), weight B; each (1,), as ESPnet gathers
            them from several processes.

        Raises:
            ValueError: If codes are out of range or have a wrong number of layers,
                a text is empty, or prompts are needed and missing.
        """
        codes = self._read_codes(feats)
        check_text(text, text_lengths, self.idim)
        if self.special_tokens:
            text, text_lengths = self.special_tokens.surround(text, text_lengths)
        positions = self.text_positions(text, text_lengths, codes[0], feats_lengths)
        if self.training and self.text_dropout:
            dropped = torch.rand(len(text), device=text.device) < self.text_dropout
            text = text.masked_fill(dropped.unsqueeze(1), NO_TEXT)
        batch = TrainingBatch(text, text_lengths, positions, codes, feats_lengths)
        parts = []
        with autocast(self.bfloat16, text.device):
            if self.ar is not None:
                parts.append(ar_loss(self.ar, batch))
            if self.nar is not None:
                prompt = None if voice is None else self._read_codes(voice)
                in_frames = self.aligner is not None
                plan = self.nar_plan.draw(
                    batch, prompt, voice_lengths, self.training, in_frames
                )
                parts.append(nar_loss(self.nar, *plan))
        loss = reduce(torch.add, (part for part, _ in parts))
        stats = {key: value for _, part in parts for key, value in part.items()}
        stats["loss"] = loss.detach()
        return force_gatherable((loss, stats, float(len(text))), text.device)

    def inference(
        self,
        text: Tensor,
        prompt_text: Tensor | None = None,
        prompt_codes: Tensor | None = None,
        feats: Tensor | None = None,
        use_teacher_forcing: bool = False,
        **options: Any,
    ) -> dict[str, Any]:
        """Speak one text by ESPnet's call.

        Args:
            text: Token ids (S,).
            prompt_text: Token ids of what the prompt says (S',), if it is known.
            prompt_codes: Codes of the prompt (n_q, T').
            feats: These codes as features (T', n_q), which ESPnet makes of the data
                `speech` if `speech_prompt` is set.
            use_teacher_forcing: Must be False.
            **options: Those of `decoding.DecodingOptions`.

        Returns:
            `codes` (n_q, T), `score` and `truncated` of a `SynthesisResult`; and
            `feat_gen`, the codes as features (T, n_q) that ESPnet's own command
            `tts_inference` saves, and hands to a vocoder.

        Raises:
            ValueError: As `synthesize`; or if teacher forcing is asked for.
        """
        if use_teacher_forcing:
            raise ValueError("USLM has no teacher forcing: call forward for its losses")
        prompt = None
        if feats is not None:
            prompt_codes = self._read_codes(feats[None])[:, 0]
        if prompt_codes is not None:
            prompt = Prompt(prompt_text, prompt_codes)
        result = self.synthesize([text], [prompt], **options)[0]
        return dict(**vars(result), feat_gen=to_feats(result.codes[:, None])[0])

    def synthesize(
        self,
        texts: Sequence[Tensor],
        prompts: Sequence[Prompt | None],
        **options: Any,
    ) -> list[SynthesisResult]:
        """Speak a batch of texts, each in the voice of its prompt.

        Args:
            texts: Token ids (S_i,).
            prompts: Prompts, or None for any voice.
            **options: Those of `decoding.DecodingOptions`.

        Returns:
            A result for each text.

        Raises:
            ValueError: If a text is empty, tokens or codes or options are out of
                range, a prompt leaves no room below `max_frames`, or the model has
                only one of its halves.
        """
        self.need("ar", "nar")
        return self.synthesizer.synthesize(texts, prompts, DecodingOptions(**options))

    def need(self, *halves: str) -> None:
        """Refuse work for which a half is missing.

        Args:
            *halves: `"ar"` or `"nar"`.

        Raises:
            ValueError: If one is missing; the message says how to get it.
        """
        for half in halves:
            if getattr(self, half) is None:
                raise ValueError(
                    f"this USLM has no {half.upper()} model, it was trained without: "
                    "join it with one (python -m espnet_st.bin.merge_uslm)"
                )

    def text_positions(
        self, text: Tensor, text_lengths: Tensor, codes: Tensor, lengths: Tensor
    ) -> Tensor:
        """Find the positions of text tokens in their utterances; the aligner learns.

        Args:
            text: Token ids (B, S), padded.
            text_lengths: Number of tokens (B,).
            codes: Semantic codes (B, T), padded.
            lengths: Frames (B,).

        Returns:
            Positions (B, S): frames; without an aligner the index of each token.
        """
        if self.aligner is None:
            return frame_index(text)
        jitter = self.align_jitter if self.training else None
        return self.aligner.token_positions(text, text_lengths, codes, lengths, jitter)

    def _read_codes(self, feats: Tensor) -> Tensor:
        """Read codes (n_q, B, T) from what ESPnet loaded, and check them."""
        codes = from_feats(feats)
        check_codes(codes, self.codebook_size, self.n_q)
        return codes
