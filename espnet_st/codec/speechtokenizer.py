"""SpeechTokenizer as ESPnet trains it: its parts and the terms of its loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from espnet_st.codec.distillation import Distillation
from espnet_st.codec.gan_turns import GANTurns
from espnet_st.codec.generator import Generator
from espnet_st.codec.losses import time_loss
from espnet_st.codec.quantizer import Quantized
from espnet_st.config import call_with_conf


class SpeechTokenizer(GANTurns):
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

    generator: Generator

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
        generator = Generator(
            sample_rate=sample_rate,
            dimension=dimension,
            semantic_dimension=semantic_dimension,
            encoder=encoder,
            encoder_conf=encoder_conf,
            decoder=decoder,
            decoder_conf=decoder_conf,
            quantizer_conf=quantizer_conf,
        )
        super().__init__(
            generator,
            discriminator_conf=discriminator_conf,
            mel_loss=mel_loss,
            mel_loss_conf=mel_loss_conf,
            loss_conf=loss_conf,
            adversarial_start=adversarial_start,
            adversarial_samples=adversarial_samples,
            lambda_mel=lambda_mel,
            lambda_adv=lambda_adv,
            lambda_feat_match=lambda_feat_match,
        )
        self.lambda_time = lambda_time
        self.lambda_commit = lambda_commit
        self.lambda_distill = lambda_distill
        self.distillation = call_with_conf(
            "distill",
            Distillation,
            distill_conf,
            {
                "sample_rate": sample_rate,
                "hop_length": generator.hop_length,
                "teacher_conf": teacher_conf,
            },
        )

    def _reconstruct(
        self, wav: Tensor, **extras: Tensor | None
    ) -> tuple[Tensor, Quantized]:
        quantized = self.generator.quantizer(self.generator.encoder(wav))
        fake = self.generator.decoder(quantized.sum)[..., : wav.shape[-1]]
        return fake.float(), quantized

    def _generator_terms(
        self, wav: Tensor, fake: Tensor, made: Quantized, **extras: Tensor | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        terms = {
            "time_loss": self.lambda_time * time_loss(wav, fake),
            "mel_loss": self.lambda_mel * self.mel_loss(wav, fake),
            "commit_loss": self.lambda_commit * self.losses.commitment(made.errors),
            **self._adversarial_terms(wav, fake),
        }
        stats = {}
        if self.lambda_distill > 0:
            distill_loss, stats["distill_agreement"] = self.distillation(
                self.generator.projection, made.first, wav[:, 0], **extras
            )
            terms["distill_loss"] = self.lambda_distill * distill_loss
        usage = self.generator.quantizer.usage()
        if self.training:
            self.generator.quantizer.warn_of_collapse(usage)
        return terms, stats | usage
