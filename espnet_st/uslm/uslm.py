"""USLM: phonemes to codes, an ESPnet TTS model (paper, section 3.4).

The AR model writes the semantic codes, the NAR model the acoustic ones. This module
holds their sizes and losses, `decoding` the prompting; what turns text into tokens
and codes into sound lives in `bin`.
"""

import contextlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from espnet2.tts.abs_tts import AbsTTS

from espnet_st.codes import check_codes, from_feats
from espnet_st.uslm.alignment import TextAligner, centres, lengths_of
from espnet_st.uslm.ar import AutoregressiveModel
from espnet_st.uslm.code_forms import read_codebooks
from espnet_st.uslm.decoding import Options, Prompt, synthesize
from espnet_st.uslm.nar import NonAutoregressiveModel
from espnet_st.uslm.positions import numbers, valid_mask
from espnet_st.uslm.text_marks import TextMarks


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
            the paper's 3 s); 0 trains without prompt, as the release did, and then
            the frames of a prompt carry no more layers than those to predict.
        max_frames: Longest sequence of prompt and new codes.
        rotary: Rotary positions in place of sine positions.
        align: Text tokens stand at the frames where they sound, found by a
            `TextAligner` that learns while the models do; new text takes the mean
            lengths of its tokens and the pace of the prompt. Else they are numbered.
        align_jitter: In training, spread of the logarithm of a factor drawn for the
            length of each token.
        text_prior: AR heads prefer the text near the current frame.
        code_noise: In training, share of the AR's input codes replaced at random.
        codebooks: The codec's vectors (n_q, codebook_size, E), or a .npy file of
            them: the NAR model then reads and scores codes by them.
        bfloat16: `"auto"` computes in bfloat16 on a CPU that has the matrix units
            for it (AMX), `"on"` on every CPU, `"off"` never. ESPnet's `use_amp`
            rules on a GPU.
        text_marks: Ids of the tokens before a text, between those of a prompt and
            of the target, and after, which the model then adds itself; the release
            has <bos>, _ and <eos>.

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
        align: bool = False,
        align_jitter: float = 0.2,
        text_prior: bool = False,
        code_noise: float = 0.0,
        codebooks: str | torch.Tensor | None = None,
        bfloat16: str = "off",
        text_marks: Sequence[int] | None = None,
    ):
        super().__init__()
        if bfloat16 not in ("auto", "on", "off"):
            raise ValueError(f"bfloat16 is {bfloat16!r}: give auto, on or off")
        if text_prior and not align:
            raise ValueError("text_prior needs align: true")
        if text_marks and (
            len(text_marks) != 3 or not all(0 <= mark < idim for mark in text_marks)
        ):
            raise ValueError(
                f"text_marks are {text_marks}: give three ids from 0 to {idim - 1}"
            )
        self.text_marks = TextMarks(*text_marks) if text_marks else None
        self.idim = idim
        self.n_q = odim
        self.codebook_size = codebook_size
        self.nar_prompt_frames = nar_prompt_frames
        self.max_frames = max_frames
        self.aligner = TextAligner(idim, codebook_size) if align else None
        self.align_jitter = align_jitter
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
            idim,
            codebook_size,
            n_q=odim,
            n_layers=nar_layers,
            codebooks=read_codebooks(codebooks, odim, codebook_size),
            whole_prompt=nar_prompt_frames > 0,
            **common,
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

        In training the NAR model learns one layer of each utterance, chosen by turns
        from a random start; in evaluation all layers count, and prompts are a third
        of each utterance.

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
        self.check_text(text, text_lengths)
        if self.text_marks:
            text, text_lengths = self.text_marks.around(text, text_lengths)
        where = self.place(text, text_lengths, codes[0], feats_lengths)
        with self._precision(text.device):
            ar_loss, ar_acc = self._ar_loss(
                text, text_lengths, where, codes[0], feats_lengths
            )
            prompt_mask = self._prompt_mask(feats_lengths, feats.shape[1])
            batch = text, text_lengths, where, codes, feats_lengths, prompt_mask
            nar_loss, nar_stats = self._nar_losses(batch)
        loss = ar_loss + nar_loss
        stats = dict(
            ar_loss=ar_loss.detach(),
            ar_acc=ar_acc,
            nar_loss=nar_loss.detach(),
            **nar_stats,
        )
        stats["loss"] = loss.detach()
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

    def synthesize(
        self,
        texts: Sequence[torch.Tensor],
        prompts: Sequence[Prompt | None],
        **options,
    ) -> list[torch.Tensor]:
        """Speak a batch of texts, each in the voice of its prompt; see `decoding`.

        Args:
            texts: Token ids, (S_i,) each.
            prompts: What to continue, or None for any voice.
            **options: Those of `decoding.Options`.

        Returns:
            Codes of the new speech, (n_q, T_i) each; T_i is 0 if the model ended
            at once.

        Raises:
            ValueError: If a text is empty, tokens or codes or options are out of
                range, or a prompt leaves no room below `max_frames`.
        """
        return synthesize(self, texts, prompts, Options(**options))

    def check_text(self, text: torch.Tensor, lengths: torch.Tensor) -> None:
        """Refuse padded texts (B, S) of which one is empty or not of these tokens.

        Raises:
            ValueError: Saying which range was expected.
        """
        if int(lengths.min()) < 1:
            raise ValueError("a text is empty: give at least one token")
        if int(text.min()) < 0 or int(text.max()) >= self.idim:
            raise ValueError(
                f"text tokens lie in [{int(text.min())}, {int(text.max())}]: expected "
                f"0 to {self.idim - 1}; is the token list the model's?"
            )

    def place(
        self,
        text: torch.Tensor,
        text_lengths: torch.Tensor,
        codes: torch.Tensor,
        lengths: torch.Tensor,
    ) -> torch.Tensor:
        """Place the tokens of spoken texts; in training, learn from where they are.

        Args:
            text: Token ids (B, S), padded.
            text_lengths: Number of tokens (B,).
            codes: Semantic codes (B, T), padded.
            lengths: Frames (B,).

        Returns:
            Positions (B, S).
        """
        if self.aligner is None:
            return numbers(text)
        path = self.aligner.align(text, text_lengths, codes, lengths)
        spans = lengths_of(path, lengths, text.shape[1] + 2)
        if self.training:
            self.aligner.learn(text, text_lengths, codes, lengths, path)
            spans = spans * torch.exp(self.align_jitter * torch.randn_like(spans))
        return centres(spans, lengths)

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

    def _nar_losses(self, batch):
        """Loss and accuracies of random layers (training), or of all in turn."""
        text = batch[0]
        if self.training:
            first = int(torch.randint(self.n_q - 1, ()))
            rows = torch.arange(len(text), device=text.device)
            loss, accuracy = self._nar_loss(*batch, (first + rows) % (self.n_q - 1) + 1)
            return loss, dict(nar_acc=accuracy)
        every = [
            self._nar_loss(*batch, torch.full_like(batch[1], stage))
            for stage in range(1, self.n_q)
        ]
        losses, accuracies = map(torch.stack, zip(*every))
        stats = {f"nar_acc_{i}": value for i, value in enumerate(accuracies, 2)}
        return losses.mean(), dict(nar_acc=accuracies.mean(), **stats)

    def _nar_loss(self, text, text_lengths, where, codes, lengths, prompt_mask, stages):
        logits = self.nar(
            text, text_lengths, where, codes, lengths, prompt_mask, stages
        )
        wanted = valid_mask(lengths, codes.shape[2]) & ~prompt_mask
        rows = torch.arange(len(text), device=text.device)
        targets = codes[stages, rows].masked_fill(~wanted, -100)
        return _loss_and_accuracy(logits, targets)

    def _precision(self, device):
        on = self.bfloat16 == "on" or (self.bfloat16 == "auto" and _has_amx())
        if device.type != "cpu" or not on:
            return contextlib.nullcontext()
        return torch.autocast("cpu", torch.bfloat16)


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
