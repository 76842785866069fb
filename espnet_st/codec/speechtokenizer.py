"""SpeechTokenizer as ESPnet trains it: the generator's and discriminators' turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from espnet2.gan_codec.abs_gan_codec import AbsGANCodec
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor, nn
from torch.nn.utils import parametrize

from espnet_st.codec.distillation import Distillation
from espnet_st.codec.generator import Generator
from espnet_st.codec.losses import choose_losses, time_loss
from espnet_st.codec.mel_loss import LogMelLoss, MelLoss
from espnet_st.codec.quantizer import Quantized
from espnet_st.codec.ragged import encode_ragged
from espnet_st.codes import pad_codes
from espnet_st.config import build_part, call_with_conf


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Keep gradients from a module's parameters; its input still gets its own."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


class SpeechTokenizer(AbsGANCodec):
    """A codec whose first quantizer is distilled from a semantic teacher.

    Args:
        sample_rate: Hz.
        dimension: Channels of a latent frame, D.
        semantic_dimension: Width of the teacher's features (or number of its units).
        encoder: One of `registry.ENCODERS`.
        encoder_conf: Options of the encoder.
        decoder: One of `registry.DECODERS`.
        decoder_conf: Options of the decoder.
        quantizer_conf: Options of `quantizer.ResidualVectorQuantizer`.
        discriminator_conf: Options of `discriminators.Discriminators`.
        mel_loss: The form of L_f: `paper` or `release`.
        mel_loss_conf: Options of `mel_loss.MelLoss` or `mel_loss.LogMelLoss`.
        loss_conf: Arguments of `losses.choose_losses`: the forms of L_D and L_g, of
            L_feat and of L_w.
        teacher_conf: Arguments of `teacher.build_teacher`: `name`, `layer`, ...
        distill_conf: Options of `distillation.Distillation`: `axis`, `lambda_l1`.
        adversarial_start: Training steps before the discriminators take part.
        adversarial_samples: Samples of each item, at a random place, that they see;
            None for all.
        lambda_time: Weight of L_t.
        lambda_mel: Weight of L_f.
        lambda_adv: Weight of L_g.
        lambda_feat_match: Weight of L_feat.
        lambda_commit: Weight of L_w.
        lambda_distill: Weight of L_distill; at 0 no teacher is needed, and the model
            is an EnCodec-like codec.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        dimension: int = 1024,
        semantic_dimension: int = 768,
        encoder: str = "seanet",
        encoder_conf: Mapping[str, Any] | None = None,
        decoder: str = "seanet",
        decoder_conf: Mapping[str, Any] | None = None,
        quantizer_conf: Mapping[str, Any] | None = None,
        discriminator_conf: Mapping[str, Any] | None = None,
        mel_loss: str = "paper",
        mel_loss_conf: Mapping[str, Any] | None = None,
        loss_conf: Mapping[str, Any] | None = None,
        teacher_conf: Mapping[str, Any] | None = None,
        distill_conf: Mapping[str, Any] | None = None,
        adversarial_start: int = 0,
        adversarial_samples: int | None = None,
        lambda_time: float = 1.0,
        lambda_mel: float = 1.0,
        lambda_adv: float = 1.0,
        lambda_feat_match: float = 1.0,
        lambda_commit: float = 1.0,
        lambda_distill: float = 1.0,
    ):
        super().__init__()
        # Only training needs these, and importing them takes a second.
        from espnet_st.codec.discriminators import Discriminators

        self.generator = Generator(
            sample_rate=sample_rate,
            dimension=dimension,
            semantic_dimension=semantic_dimension,
            encoder=encoder,
            encoder_conf=encoder_conf,
            decoder=decoder,
            decoder_conf=decoder_conf,
            quantizer_conf=quantizer_conf,
        )
        self.discriminator = call_with_conf(
            "discriminator", Discriminators, discriminator_conf
        )
        self.mel_loss = build_part(
            "mel_loss",
            {"paper": MelLoss, "release": LogMelLoss},
            mel_loss,
            mel_loss_conf,
            {"sample_rate": sample_rate},
        )
        self.losses = call_with_conf("loss", choose_losses, loss_conf)
        self.lambda_time = lambda_time
        self.lambda_mel = lambda_mel
        self.lambda_adv = lambda_adv
        self.lambda_feat_match = lambda_feat_match
        self.lambda_commit = lambda_commit
        self.lambda_distill = lambda_distill
        self.adversarial_start = adversarial_start
        self.adversarial_samples = adversarial_samples
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.distillation = call_with_conf(
            "distill",
            Distillation,
            distill_conf,
            {
                "sample_rate": sample_rate,
                "hop_length": self.generator.hop_length,
                "teacher_conf": teacher_conf,
            },
        )
        self._cache: tuple[Tensor, Quantized] | None = None

    @property
    def fs(self) -> int:
        """Give the sample rate in Hz, by ESPnet's name: it writes wav files at it."""
        return self.generator.sample_rate

    def meta_info(self) -> dict[str, Any]:
        """Tell ESPnet's tools what they ask of a codec."""
        return {
            "fs": self.generator.sample_rate,
            "num_streams": self.generator.n_q,
            "frame_shift": self.generator.hop_length,
            "code_size_per_stream": [self.generator.codebook_size] * self.generator.n_q,
        }

    def forward(
        self,
        audio: Tensor,
        forward_generator: bool = True,
        audio_lengths: Tensor | None = None,
        teacher_rows: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Take one turn of ESPnet's `GANTrainer`.

        Args:
            audio: Waveforms (B, N).
            forward_generator: Whose turn it is.
            audio_lengths: Samples of each item (B,), or None when all have N. Frames
                beyond an item's end are not distilled; as silence they are coded.
            teacher_rows: See `distillation.Distillation`, (B, N).
            kwargs: Ignored.

        Returns:
            `loss`, `stats`, `weight` and `optim_idx` (0 generator, 1 discriminator).
        """
        if forward_generator:
            extras = {"lengths": audio_lengths, "rows": teacher_rows}
            loss, stats = self._generator_turn(audio.unsqueeze(1), extras)
        else:
            loss, stats = self._discriminator_turn(audio.unsqueeze(1))
        stats = {key: value.detach() for key, value in stats.items()}
        loss, stats, weight = force_gatherable(
            (loss, stats, audio.shape[0]), audio.device
        )
        return {
            "loss": loss,
            "stats": stats,
            "weight": weight,
            "optim_idx": 0 if forward_generator else 1,
        }

    def _reconstruct(self, wav: Tensor) -> tuple[Tensor, Quantized]:
        quantized = self.generator.quantizer(self.generator.encoder(wav))
        fake = self.generator.decoder(quantized.sum)[..., : wav.shape[-1]]
        return fake.float(), quantized

    def _generator_output(self, wav: Tensor) -> tuple[Tensor, Quantized]:
        """Reconstruct, once for the two turns that see the same batch."""
        if self._cache is not None:
            output, self._cache = self._cache, None
        else:
            output = self._reconstruct(wav)
            self._cache = output if self.training else None
        return output

    @property
    def _adversarial(self) -> bool:
        # Asking the device for the steps would wait for it.
        return self.adversarial_start <= 0 or bool(self.steps >= self.adversarial_start)

    def _adversarial_segment(self, wav: Tensor) -> slice:
        """Draw which samples the discriminators see this time."""
        size = self.adversarial_samples or wav.shape[-1]
        start = int(torch.randint(max(wav.shape[-1] - size, 0) + 1, ()))
        return slice(start, start + size)

    def _generator_turn(
        self, wav: Tensor, extras: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        fake, quantized = self._generator_output(wav)
        terms = {
            "time_loss": self.lambda_time * time_loss(wav, fake),
            "mel_loss": self.lambda_mel * self.mel_loss(wav, fake),
            "commit_loss": self.lambda_commit
            * self.losses.commitment(quantized.errors),
        }
        if self._adversarial:
            part = self._adversarial_segment(wav)
            with torch.no_grad():
                real = self.discriminator(wav[..., part])
            with frozen(self.discriminator):
                generated = self.discriminator(fake[..., part])
            terms["adv_loss"] = self.lambda_adv * self.losses.adversarial(generated)
            terms["feat_match_loss"] = (
                self.lambda_feat_match * self.losses.feature_matching(real, generated)
            )
        stats = {}
        if self.lambda_distill > 0:
            distill_loss, agreement = self.distillation(
                self.generator.projection, quantized.first, wav[:, 0], **extras
            )
            terms["distill_loss"] = self.lambda_distill * distill_loss
            stats["distill_agreement"] = agreement
        loss = torch.stack(list(terms.values())).sum()
        usage = self.generator.quantizer.usage()
        if self.training:
            self.generator.quantizer.warn_of_collapse(usage)
            self.steps += 1
        stats |= {"generator_loss": loss, **terms, **usage}
        return loss, stats

    def _discriminator_turn(self, wav: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        fake, _ = self._generator_output(wav)
        if not self._adversarial:
            loss = wav.new_zeros((), requires_grad=True)
        else:
            part = self._adversarial_segment(wav)
            real, generated = self.discriminator.discriminate_both(
                wav[..., part], fake.detach()[..., part]
            )
            loss = self.losses.discriminator(real, generated)
        return loss, {"discriminator_loss": loss}

    def encode(self, x: Tensor, lengths: Tensor | None = None, **kwargs: Any) -> Tensor:
        """Encode waveforms.

        Args:
            x: (B, 1, N).
            lengths: Samples of each (B,), if padding follows; each then has the codes
                that it has alone. Without them padding is coded as silence, and
                changes codes before it, too.
            kwargs: Ignored.

        Returns:
            Codes (n_q, B, T), zeros where a signal has ended.

        Raises:
            ValueError: If lengths are not one for each waveform, from 1 to N.
        """
        if lengths is None:
            return self.generator.encode(x)
        counts = lengths.tolist()
        if len(counts) != len(x) or not all(0 < n <= x.shape[-1] for n in counts):
            raise ValueError(
                f"lengths are {counts} for waveforms of shape {tuple(x.shape)}; "
                f"expected {len(x)} of 1 to {x.shape[-1]}"
            )
        wavs = [wav[0, :count] for wav, count in zip(x, counts)]
        with parametrize.cached():
            return pad_codes(encode_ragged(self.generator, wavs))[0]

    def decode(self, x: Tensor, **kwargs: Any) -> Tensor:
        """Decode codes (k, B, T) into waveforms (B, 1, N)."""
        return self.generator.decode(x)
