"""The turns of ESPnet's `GANTrainer`, which all codecs that this package trains take.

A codec says how it makes waveforms and which losses it has beside the adversarial ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from espnet2.gan_codec.abs_gan_codec import AbsGANCodec
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor, nn
from torch.nn.utils import parametrize

from espnet_st.codec.generator import Generator
from espnet_st.codec.losses import choose_losses
from espnet_st.codec.mel_loss import LogMelLoss, MelLoss
from espnet_st.codec.ragged import encode_ragged
from espnet_st.codec.unit_generator import UnitGenerator
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


class GANTurns(AbsGANCodec):
    """A codec whose generator and discriminators are trained by turns.

    ESPnet's trainer empties `_cache`: that name is a contract.

    Args:
        generator: What is used after training.
        discriminator_conf: Options of `discriminators.Discriminators`.
        mel_loss: The form of L_f: `paper` or `release`.
        mel_loss_conf: Options of `mel_loss.MelLoss` or `mel_loss.LogMelLoss`.
        loss_conf: Arguments of `losses.choose_losses`.
        adversarial_start: Training steps before the discriminators take part.
        adversarial_samples: Samples of each item, at a random place, that they see;
            None for all.
        lambda_mel: Weight of L_f.
        lambda_adv: Weight of L_g.
        lambda_feat_match: Weight of L_feat.
    """

    generator: Generator | UnitGenerator
    steps: Tensor

    def __init__(
        self,
        generator: Generator | UnitGenerator,
        discriminator_conf: Mapping[str, Any] | None,
        mel_loss: str,
        mel_loss_conf: Mapping[str, Any] | None,
        loss_conf: Mapping[str, Any] | None,
        adversarial_start: int,
        adversarial_samples: int | None,
        lambda_mel: float,
        lambda_adv: float,
        lambda_feat_match: float,
    ):
        super().__init__()
        # Only training needs these, and importing them takes a second.
        from espnet_st.codec.discriminators import Discriminators

        self.generator = generator
        self.discriminator = call_with_conf(
            "discriminator", Discriminators, discriminator_conf
        )
        self.mel_loss = build_part(
            "mel_loss",
            {"paper": MelLoss, "release": LogMelLoss},
            mel_loss,
            mel_loss_conf,
            {"sample_rate": self.generator.sample_rate},
        )
        self.losses = call_with_conf("loss", choose_losses, loss_conf)
        self.lambda_mel = lambda_mel
        self.lambda_adv = lambda_adv
        self.lambda_feat_match = lambda_feat_match
        self.adversarial_start = adversarial_start
        self.adversarial_samples = adversarial_samples
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self._cache: tuple[Tensor, Any] | None = None

    @abstractmethod
    def _reconstruct(self, wav: Tensor, **extras: Tensor | None) -> tuple[Tensor, Any]:
        """Make waveforms again.

        Args:
            wav: (B, 1, N).
            extras: `lengths` and `rows`, see `forward`.

        Returns:
            What was made (B, 1, N), and what else `_generator_terms` needs.
        """

    @abstractmethod
    def _generator_terms(
        self, wav: Tensor, fake: Tensor, made: Any, **extras: Tensor | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Compute the terms of the generator's loss.

        Args:
            wav: (B, 1, N).
            fake: As `_reconstruct` gives it.
            made: What else it gives.
            extras: As for `_reconstruct`.

        Returns:
            The terms, whose sum is the loss, and what else is to be reported.
        """

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
            audio_lengths: Samples of each item (B,), or None when all have N. The
                teacher sees nothing beyond an item's end; as silence it is made again.
            teacher_rows: See `distillation.Distillation`, (B, N).
            kwargs: Ignored.

        Returns:
            `loss`, `stats`, `weight` and `optim_idx` (0 generator, 1 discriminator).
        """
        turn = self._generator_turn if forward_generator else self._discriminator_turn
        loss, stats = turn(
            audio.unsqueeze(1), {"lengths": audio_lengths, "rows": teacher_rows}
        )
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

    def _generator_output(
        self, wav: Tensor, extras: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, Any]:
        """Reconstruct, once for the two turns that see the same batch."""
        if self._cache is not None:
            output, self._cache = self._cache, None
        else:
            output = self._reconstruct(wav, **extras)
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

    def _adversarial_terms(self, wav: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Compute L_g and L_feat, weighted; none before `adversarial_start`."""
        if not self._adversarial:
            return {}
        part = self._adversarial_segment(wav)
        with torch.no_grad():
            real = self.discriminator(wav[..., part])
        with frozen(self.discriminator):
            generated = self.discriminator(fake[..., part])
        return {
            "adv_loss": self.lambda_adv * self.losses.adversarial(generated),
            "feat_match_loss": self.lambda_feat_match
            * self.losses.feature_matching(real, generated),
        }

    def _generator_turn(
        self, wav: Tensor, extras: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        fake, made = self._generator_output(wav, extras)
        terms, stats = self._generator_terms(wav, fake, made, **extras)
        loss = torch.stack(list(terms.values())).sum()
        if self.training:
            self.steps += 1
        return loss, {"generator_loss": loss, **terms, **stats}

    def _discriminator_turn(
        self, wav: Tensor, extras: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        fake, _ = self._generator_output(wav, extras)
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
