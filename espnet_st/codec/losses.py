"""The losses of section 3.3, as functions of tensors.

Where the paper and the released code differ both are here, and `choose_losses` gives
those that a configuration names. The spectral losses are in `mel_loss.py`, L_distill is
in `distillation.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import relu

T = TypeVar("T")


class Discrimination(NamedTuple):
    """The output of one discriminator for a batch of waveforms.

    Attributes:
        kind: `stft`, `period` or `scale`.
        features: The outputs of its layers.
        logits: High for real.
    """

    kind: str
    features: list[Tensor]
    logits: Tensor

    def part(self, items: slice) -> Discrimination:
        """Select some of the batch's items."""
        features = [feature[items] for feature in self.features]
        return Discrimination(self.kind, features, self.logits[items])


Discriminations = Sequence[Discrimination]
"""One of each discriminator."""


def time_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Compute the mean absolute difference of two waveforms: L_t."""
    return (real - fake).abs().mean()


def hinge_discriminator_loss(real: Discriminations, fake: Discriminations) -> Tensor:
    """Compute the discriminators' hinge loss, their mean: L_D of the paper."""
    losses = [
        relu(1 - r.logits).mean() + relu(1 + f.logits).mean()
        for r, f in zip(real, fake)
    ]
    return torch.stack(losses).mean()


def hinge_adversarial_loss(fake: Discriminations) -> Tensor:
    """Compute the generator's hinge loss, a mean as well: L_g of the paper."""
    return torch.stack([relu(1 - f.logits).mean() for f in fake]).mean()


def least_squares_discriminator_loss(
    real: Discriminations, fake: Discriminations
) -> Tensor:
    """Sum the distances of the logits from 1 and 0: L_D of the released code."""
    losses = [
        (1 - r.logits).square().mean() + f.logits.square().mean()
        for r, f in zip(real, fake)
    ]
    return torch.stack(losses).sum()


def least_squares_adversarial_loss(fake: Discriminations) -> Tensor:
    """Sum the distances of the logits from 1: L_g of the released code."""
    return torch.stack([(1 - f.logits).square().mean() for f in fake]).sum()


def relative_feature_loss(real: Discriminations, fake: Discriminations) -> Tensor:
    """Compare features, relative to the real ones: L_feat of the paper."""
    losses = [
        (x - y).abs().mean() / x.abs().mean().clamp_min(1e-6)
        for r, f in zip(real, fake)
        for x, y in zip(r.features, f.features)
    ]
    return torch.stack(losses).mean()


def absolute_feature_loss(real: Discriminations, fake: Discriminations) -> Tensor:
    """Sum twice the distances of the features: L_feat of the released code.

    There the logits of the period and the scale discriminators count as features,
    those of the STFT discriminators do not (`speechtokenizer/discriminators.py`).
    """

    def compared(discrimination: Discrimination) -> list[Tensor]:
        last = [] if discrimination.kind == "stft" else [discrimination.logits]
        return [*discrimination.features, *last]

    losses = [
        (x - y).abs().mean()
        for r, f in zip(real, fake)
        for x, y in zip(compared(r), compared(f))
    ]
    return 2 * torch.stack(losses).sum()


def commitment_loss(errors: Tensor) -> Tensor:
    """Sum the errors of all layers: L_w of the paper.

    Args:
        errors: `Quantized.errors`, (n_q,).
    """
    return errors.sum()


def first_commitment_loss(errors: Tensor) -> Tensor:
    """Average the errors; only the first layer's has a gradient: the released L_w.

    There a layer's residual carries none, its input and output being equal to the
    straight-through gradient (`speechtokenizer/quantization/core_vq.py`).

    Args:
        errors: `Quantized.errors`, (n_q,).
    """
    return (errors[0] + errors[1:].detach().sum()) / len(errors)


class Losses(NamedTuple):
    """The losses that a configuration names.

    Attributes:
        discriminator: L_D of the discriminations of real and of fake waveforms.
        adversarial: L_g of the discriminations of fake waveforms.
        feature_matching: L_feat of the discriminations of real and of fake waveforms.
        commitment: L_w of each layer's error (n_q,).
    """

    discriminator: Callable[[Discriminations, Discriminations], Tensor]
    adversarial: Callable[[Discriminations], Tensor]
    feature_matching: Callable[[Discriminations, Discriminations], Tensor]
    commitment: Callable[[Tensor], Tensor]


def choose_losses(
    adversarial: str = "hinge",
    feature_matching: str = "relative",
    commitment: str = "every_layer",
) -> Losses:
    """Choose losses by a `loss_conf`: the paper's by default, the released in brackets.

    Args:
        adversarial: `hinge` (`least_squares`).
        feature_matching: `relative` to the real features (`absolute`).
        commitment: `every_layer` (`first_layer`).

    Raises:
        ValueError: If a name is unknown.
    """
    discriminator_turn, generator_turn = _choice(
        "adversarial",
        adversarial,
        {
            "hinge": (hinge_discriminator_loss, hinge_adversarial_loss),
            "least_squares": (
                least_squares_discriminator_loss,
                least_squares_adversarial_loss,
            ),
        },
    )
    features = _choice(
        "feature_matching",
        feature_matching,
        {"relative": relative_feature_loss, "absolute": absolute_feature_loss},
    )
    commit = _choice(
        "commitment",
        commitment,
        {"every_layer": commitment_loss, "first_layer": first_commitment_loss},
    )
    return Losses(discriminator_turn, generator_turn, features, commit)


def _choice(what: str, name: str, choices: Mapping[str, T]) -> T:
    if name not in choices:
        raise ValueError(f"loss_conf.{what} is {name!r}; choose from {sorted(choices)}")
    return choices[name]
