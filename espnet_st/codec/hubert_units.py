"""HuBERT units and a unit vocoder, the paper's baseline, as ESPnet trains it.

Units are the nearest centroids of k-means over a layer of a teacher (section 2.2). The
vocoder makes speech of them alone, with no speaker beside (Polyak et al. 2021,
arXiv:2104.00355, with a learnt vector for each unit and HiFi-GAN). Where repeated units
are dropped durations are to be predicted; here each frame keeps its unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet_st.codec.gan_turns import GANTurns
from espnet_st.codec.teacher.units import read_units
from espnet_st.codec.unit_generator import UnitGenerator


class HubertUnits(GANTurns):
    """A codec of one layer: units of a frozen teacher, and a vocoder, which is trained.

    Args:
        sample_rate: Hz.
        dimension: Width of the teacher's features, D.
        semantic_dimension: Number of units, K.
        embedding_dimension: Channels of what the decoder takes, E.
        decoder: One of `registry.DECODERS`.
        decoder_conf: Options of the decoder.
        discriminator_conf: Options of `discriminators.Discriminators`.
        mel_loss: The form of L_f: `paper` or `release`.
        mel_loss_conf: Options of `mel_loss.MelLoss` or `mel_loss.LogMelLoss`.
        loss_conf: Arguments of `losses.choose_losses`.
        teacher_conf: Arguments of `teacher.build_teacher`: `name`, `layer: units`, and
            `units_file`, which the first step of training reads.
        adversarial_start: Training steps before the discriminators take part.
        adversarial_samples: Samples of each item, at a random place, that they see;
            None for all.
        lambda_mel: Weight of L_f.
        lambda_adv: Weight of L_g.
        lambda_feat_match: Weight of L_feat.
    """

    generator: UnitGenerator

    def __init__(
        self,
        sample_rate: int = 16000,
        dimension: int = 768,
        semantic_dimension: int = 500,
        embedding_dimension: int = 128,
        decoder: str = "hifigan",
        decoder_conf: Mapping[str, Any] | None = None,
        discriminator_conf: Mapping[str, Any] | None = None,
        mel_loss: str = "paper",
        mel_loss_conf: Mapping[str, Any] | None = None,
        loss_conf: Mapping[str, Any] | None = None,
        teacher_conf: Mapping[str, Any] | None = None,
        adversarial_start: int = 0,
        adversarial_samples: int | None = None,
        lambda_mel: float = 1.0,
        lambda_adv: float = 1.0,
        lambda_feat_match: float = 1.0,
    ):
        teacher = dict(teacher_conf or {})
        units_file = teacher.pop("units_file", None)
        layer = teacher.pop("layer", "units")
        if layer != "units":
            raise ValueError(
                f"teacher_conf.layer is {layer!r}; expected 'units': which layer they "
                "are of stands beside teacher_conf.units_file"
            )
        if "features" in teacher:
            raise ValueError(
                "teacher_conf.features: a codec of units runs its teacher itself, and "
                "takes no precomputed features: leave it out"
            )
        generator = UnitGenerator(
            sample_rate=sample_rate,
            dimension=dimension,
            semantic_dimension=semantic_dimension,
            embedding_dimension=embedding_dimension,
            decoder=decoder,
            decoder_conf=decoder_conf,
            teacher_conf=teacher,
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
        self._units_file = units_file
        self._units_are_read = False

    def _reconstruct(
        self, wav: Tensor, **extras: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if not self._units_are_read:
            self._read_units()
        with torch.no_grad():
            codes = self.generator.encode(wav, extras.get("lengths"))
        fake = self.generator.decode(codes)[..., : wav.shape[-1]]
        return fake.float(), codes

    def _read_units(self) -> None:
        """Set the units, or hold those of a resumed run to their file."""
        if self._units_file is None:
            raise ValueError(
                "training needs teacher_conf.units_file: espnet_st.bin.teacher units "
                "makes one (stage 3 of the recipe with --units)"
            )
        centroids, layer = read_units(Path(self._units_file))
        known = self.generator.centroids.clone()
        self.generator.set_units(centroids, layer)
        if int(self.steps) and not known.equal(self.generator.centroids):
            raise ValueError(
                f"{self._units_file} has other units than those that this codec has "
                f"learnt to speak in {int(self.steps)} steps: train it anew"
            )
        self._units_are_read = True

    def _generator_terms(
        self, wav: Tensor, fake: Tensor, made: Tensor, **extras: Tensor | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        terms = {
            "mel_loss": self.lambda_mel * self.mel_loss(wav, fake),
            **self._adversarial_terms(wav, fake),
        }
        counts = made.flatten().bincount(minlength=self.generator.codebook_size)
        share = counts / counts.sum()
        entropy = -torch.xlogy(share, share).sum()
        return terms, {"perplexity_units": entropy.exp()}
