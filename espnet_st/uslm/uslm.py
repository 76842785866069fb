"""USLM: phonemes to codes, an ESPnet TTS model (paper, section 3.4).

The AR model writes the semantic codes, the NAR model the acoustic ones. This module
holds their common losses and the prompting; what turns text into tokens and codes
into sound lives in `bin`.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from espnet2.tts.abs_tts import AbsTTS
from torch.nn.utils.rnn import pad_sequence

from espnet_st.codes import check_codes, from_feats, pad_codes
from espnet_st.uslm.ar import AutoregressiveModel, Sampling, valid_mask
from espnet_st.uslm.nar import NonAutoregressiveModel
from espnet_st.uslm.positions import TokenLengths
from espnet_st.uslm.sampling import check_sampling


@dataclass
class Prompt:
    """A voice to continue.

    Attributes:
        text: Token ids (S,) of what the prompt says.
        codes: Codes (n_q, T) of the prompt.
    """

    text: torch.Tensor
    codes: torch.Tensor


class USLM(AbsTTS):
    """AR and NAR transformers over the codes of a codec.

    Defaults are the paper's sizes (section 4.1) in the form of the USLM release.
    The options below `dropout` help small models on little data; they are off by
    default.

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
        nar_prompt_frames: Longest acoustic prompt in training, in frames (150 are
            the paper's 3 s); 0 trains without prompt, as the release did.
        max_frames: Longest sequence of prompt and new codes.
        rotary: Rotary positions in place of sine positions.
        frames_per_token: Rough mean length of a text token. Text tokens then stand
            on the codes' time axis, by lengths learnt from there and the pace of
            the utterance (training) or of the prompt (decoding). 0 numbers them.
        pace_jitter: In training, relative error put on the pace.
        text_prior: AR heads prefer the text near the current frame.
        code_noise: In training, share of the AR's input codes replaced at random.
        bfloat16: `"auto"` computes in bfloat16 on a CPU that has the matrix units
            for it (AMX), `"on"` on every CPU, `"off"` never. ESPnet's `use_amp`
            rules on a GPU.

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
        nar_prompt_frames: int = 150,
        max_frames: int = 2000,
        rotary: bool = False,
        frames_per_token: float = 0.0,
        pace_jitter: float = 0.1,
        text_prior: bool = False,
        code_noise: float = 0.0,
        bfloat16: str = "off",
    ):
        super().__init__()
        if bfloat16 not in ("auto", "on", "off"):
            raise ValueError(f"bfloat16 is {bfloat16!r}: give auto, on or off")
        if text_prior and frames_per_token <= 0:
            raise ValueError("text_prior needs frames_per_token above 0")
        self.idim = idim
        self.n_q = odim
        self.codebook_size = codebook_size
        self.nar_prompt_frames = nar_prompt_frames
        self.max_frames = max_frames
        self.token_lengths = (
            TokenLengths(idim, frames_per_token) if frames_per_token > 0 else None
        )
        self.pace_jitter = pace_jitter
        self.bfloat16 = bfloat16
        sizes = dict(d_model=d_model, n_heads=n_heads, ffn_size=ffn_size)
        common = dict(dropout=dropout, rotary=rotary, **sizes)
        self.ar = AutoregressiveModel(
            idim,
            codebook_size,
            n_layers=ar_layers,
            text_prior=text_prior,
            code_noise=code_noise,
            **common,
        )
        self.nar = NonAutoregressiveModel(
            idim, codebook_size, n_q=odim, n_layers=nar_layers, **common
        )
        self.spks = self.langs = self.spk_embed_dim = None

    @property
    def require_vocoder(self) -> bool:
        """False: the codec is the vocoder, and lives in `bin`."""
        return False

    def forward(
        self,
        text: torch.Tensor,
        text_lengths: torch.Tensor,
        feats: torch.Tensor,
        feats_lengths: torch.Tensor,
        **kwargs,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Give the sum of the AR and NAR losses.

        In training the NAR model learns one layer drawn at random (section 3.4); in
        evaluation all layers count, and prompts are a third of each utterance.

        Args:
            text: Token ids (B, S), padded.
            text_lengths: Number of tokens (B,).
            feats: Codes as ESPnet loads them (B, T, n_q).
            feats_lengths: Frames (B,).
            **kwargs: Other inputs of ESPnet's TTS models; unused.

        Returns:
            Loss, statistics, weight (B).

        Raises:
            ValueError: If codes are out of range or have a wrong number of layers,
                or a text is empty.
        """
        codes = from_feats(feats)
        check_codes(codes, self.codebook_size, self.n_q)
        self._check_text(text, text_lengths)
        where = self._positions(text, text_lengths, self._jittered(feats_lengths))
        with self._precision(text.device):
            ar_loss, ar_acc = self._ar_loss(
                text, text_lengths, where, codes[0], feats_lengths
            )
            prompt_mask = self._prompt_mask(feats_lengths, feats.shape[1])
            if self.training:
                stages = [int(torch.randint(1, self.n_q, ()))]
            else:
                stages = list(range(1, self.n_q))
            layers = {
                stage: self._nar_loss(
                    text, text_lengths, where, codes, feats_lengths, prompt_mask, stage
                )
                for stage in stages
            }
        nar_loss = torch.stack([loss for loss, _ in layers.values()]).mean()
        nar_acc = torch.stack([acc for _, acc in layers.values()]).mean()
        loss = ar_loss + nar_loss
        stats = dict(
            ar_loss=ar_loss.detach(),
            ar_acc=ar_acc,
            nar_loss=nar_loss.detach(),
            nar_acc=nar_acc,
        )
        if self.token_lengths is not None:
            pace_loss = self.token_lengths.loss(text, text_lengths, feats_lengths)
            loss = loss + pace_loss
            stats["pace_loss"] = pace_loss.detach()
        stats["loss"] = loss.detach()
        if not self.training:
            stats.update({f"nar_acc_{s + 1}": acc for s, (_, acc) in layers.items()})
        return loss, stats, torch.tensor(float(len(text)), device=text.device)

    def inference(
        self,
        text: torch.Tensor,
        prompt_text: torch.Tensor | None = None,
        prompt_codes: torch.Tensor | None = None,
        use_teacher_forcing: bool = False,
        **options,
    ) -> dict[str, torch.Tensor]:
        """Speak one text; see `synthesize`.

        Args:
            text: Token ids (S,).
            prompt_text: Token ids of the prompt (S',); with `prompt_codes` only.
            prompt_codes: Codes of the prompt (n_q, T').
            use_teacher_forcing: ESPnet's option; must be false.
            **options: Options of `synthesize`.

        Returns:
            `codes`: (n_q, T).

        Raises:
            ValueError: As `synthesize`; or if teacher forcing is asked for.
        """
        if use_teacher_forcing:
            raise ValueError("USLM has no teacher forcing: call forward for its losses")
        prompt = None
        if prompt_codes is not None:
            if prompt_text is None:
                raise ValueError("prompt_codes without prompt_text: give what it says")
            prompt = Prompt(prompt_text, prompt_codes)
        return dict(codes=self.synthesize([text], [prompt], **options)[0])

    @torch.no_grad()
    def synthesize(
        self,
        texts: list[torch.Tensor],
        prompts: list[Prompt | None],
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        minlenratio: float = 0.0,
        maxlenratio: float = 20.0,
        ar_prompt: bool = True,
        seeds: Sequence[int] = (),
    ) -> list[torch.Tensor]:
        """Speak a batch of texts, each in the voice of its prompt.

        Args:
            texts: Token ids, (S_i,) each.
            prompts: What to continue, or None for any voice.
            temperature: Of the AR model's draws; 0 is greedy. NAR is greedy.
            top_k: Codes to draw from, 0 for all.
            top_p: Probability mass to draw from.
            minlenratio: Fewest frames per text token.
            maxlenratio: Most frames per text token.
            ar_prompt: Whether the prompt's semantic codes and text go before the
                AR model's, as in the paper, or to the NAR model only.
            seeds: One for each text: the same text, prompt and seed give the same
                codes in any batch. 0 by default.

        Returns:
            Codes of the new speech, (n_q, T_i) each; T_i is 0 if the model ended
            at once.

        Raises:
            ValueError: If a text is empty, tokens or codes are out of range, or a
                prompt leaves no room below `max_frames`.
        """
        check_sampling(temperature, top_k, top_p)
        device = next(self.parameters()).device
        empty = Prompt(
            torch.zeros(0, dtype=torch.long),
            torch.zeros(self.n_q, 0, dtype=torch.long),
        )
        given = [prompt or empty for prompt in prompts]
        for text, prompt in zip(texts, given, strict=True):
            self._check_text(text[None], torch.tensor([len(text)]))
            check_codes(prompt.codes, self.codebook_size, self.n_q)
            if prompt.codes.shape[1] >= self.max_frames:
                raise ValueError(
                    f"the prompt has {prompt.codes.shape[1]} frames: give fewer than "
                    f"max_frames, {self.max_frames}"
                )
        text, text_lengths = _pad([*texts], device)
        prompt_text, prompt_tokens = _pad([p.text for p in given], device)
        prompt_codes, prompt_frames = pad_codes([p.codes for p in given])
        prompt_codes, prompt_frames = prompt_codes.to(device), prompt_frames.to(device)
        where = self._new_positions(
            text, text_lengths, prompt_text, prompt_tokens, prompt_frames
        )
        prompt_where = self._positions(prompt_text, prompt_tokens, prompt_frames)
        whole, whole_lengths, whole_where = self._join(
            (prompt_text, prompt_tokens, prompt_where),
            (text, text_lengths, where),
            prompt_frames,
        )
        most = (text_lengths * maxlenratio).ceil().long().clamp(min=1)
        limits = dict(
            min_frames=(text_lengths * minlenratio).long(),
            max_frames=torch.minimum(most, self.max_frames - prompt_frames),
            sampling=Sampling(temperature, top_k, top_p, seeds),
        )
        if ar_prompt:
            semantic = self.ar.generate(
                whole,
                whole_lengths,
                whole_where,
                prompt_codes[0],
                prompt_frames,
                **limits,
            )
        else:
            nothing = prompt_codes[0, :, :0], torch.zeros_like(prompt_frames)
            semantic = self.ar.generate(text, text_lengths, where, *nothing, **limits)
        joined = [
            F.pad(prompt.codes.to(device), (0, len(new)))
            for prompt, new in zip(given, semantic)
        ]
        for codes, new in zip(joined, semantic):
            codes[0, codes.shape[1] - len(new) :] = new
        codes, lengths = pad_codes(joined)
        if codes.shape[2] == 0:
            return list(codes.unbind(dim=1))
        lengths = lengths.to(device)
        mask = valid_mask(prompt_frames, codes.shape[2])
        codes = self.nar.generate(
            whole, whole_lengths, whole_where, codes, lengths, mask
        )
        return [
            codes[:, row, start:end]
            for row, (start, end) in enumerate(
                zip(prompt_frames.tolist(), lengths.tolist())
            )
        ]

    def _check_text(self, text: torch.Tensor, lengths: torch.Tensor) -> None:
        if int(lengths.min()) < 1:
            raise ValueError("a text is empty: give at least one token")
        if int(text.min()) < 0 or int(text.max()) >= self.idim:
            raise ValueError(
                f"text tokens lie in [{int(text.min())}, {int(text.max())}]: expected "
                f"0 to {self.idim - 1}; is the token list the model's?"
            )

    def _jittered(self, frames):
        if not self.training:
            return frames
        noise = torch.randn(len(frames), device=frames.device)
        return frames * torch.exp(self.pace_jitter * noise)

    def _positions(self, text, lengths, frames):
        """Place the tokens of utterances that take so many frames (B, S)."""
        if self.token_lengths is not None:
            return self.token_lengths.place(text, lengths, frames)
        steps = torch.arange(text.shape[1], device=text.device, dtype=torch.float32)
        return steps.expand(len(text), -1)

    def _new_positions(self, text, lengths, prompt_text, prompt_tokens, prompt_frames):
        """Place the tokens of new utterances, spoken at the pace of the prompts."""
        if self.token_lengths is None:
            return self._positions(text, lengths, None)
        expected = self.token_lengths.total(prompt_text, prompt_tokens)
        pace = torch.where(prompt_tokens > 0, prompt_frames / expected, 1.0)
        frames = pace * self.token_lengths.total(text, lengths)
        return self._positions(text, lengths, frames)

    def _join(self, first, second, offsets):
        """Put two texts, lengths and positions after each other, row by row.

        With token lengths the second's positions start at `offsets` (B,), else they
        go on counting.
        """
        if self.token_lengths is None:
            offsets = first[1]
        texts, places = [], []
        for row, (a, b) in enumerate(zip(first[1].tolist(), second[1].tolist())):
            texts.append(torch.cat([first[0][row, :a], second[0][row, :b]]))
            later = second[2][row, :b] + offsets[row]
            places.append(torch.cat([first[2][row, :a], later]))
        return (
            pad_sequence(texts, batch_first=True),
            first[1] + second[1],
            pad_sequence(places, batch_first=True),
        )

    def _prompt_mask(self, lengths, frames):
        """Choose the frames of the acoustic prompt (B, T)."""
        if self.training:
            share = 0.25 + 0.25 * torch.rand(len(lengths), device=lengths.device)
        else:
            share = torch.full_like(lengths, 1 / 3, dtype=torch.float32)
        prompt = (lengths * share).long().clamp(max=self.nar_prompt_frames)
        return valid_mask(prompt, frames)

    def _ar_loss(self, text, text_lengths, where, codes, lengths):
        logits = self.ar(text, text_lengths, where, codes)
        return _loss_and_accuracy(logits, self.ar.targets(codes, lengths))

    def _nar_loss(self, text, text_lengths, where, codes, lengths, prompt_mask, stage):
        logits = self.nar(text, text_lengths, where, codes, lengths, prompt_mask, stage)
        wanted = valid_mask(lengths, codes.shape[2]) & ~prompt_mask
        return _loss_and_accuracy(logits, codes[stage].masked_fill(~wanted, -100))

    def _precision(self, device):
        on = self.bfloat16 == "on" or (self.bfloat16 == "auto" and _has_amx())
        if device.type != "cpu" or not on:
            return contextlib.nullcontext()
        return torch.autocast("cpu", torch.bfloat16)


def _pad(texts, device):
    """Pad texts; give them (B, S) and their lengths (B,)."""
    lengths = torch.tensor([len(text) for text in texts], device=device)
    return pad_sequence(texts, batch_first=True).to(device), lengths


def _has_amx() -> bool:
    """Tell whether this CPU multiplies bfloat16 matrices in hardware."""
    check = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(check and check())


def _loss_and_accuracy(logits, targets):
    """Mean cross-entropy and share of likeliest codes that are right.

    Args:
        logits: (B, T, V).
        targets: (B, T), -100 where nothing is asked.
    """
    loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
    asked = targets != -100
    right = (logits.argmax(dim=-1) == targets) & asked
    return loss, right.sum().float() / asked.sum()
