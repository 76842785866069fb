"""The discriminators of section 3.1: MS-STFT, multi-period and multi-scale.

The networks are ESPnet's; here they get the paper's sizes and one way to be called.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from espnet2.gan_codec.shared.discriminator.msstft_discriminator import (
    MultiScaleSTFTDiscriminator,
)
from espnet2.gan_tts.hifigan.hifigan import (
    HiFiGANMultiPeriodDiscriminator,
    HiFiGANMultiScaleDiscriminator,
)
from torch import Tensor, nn
from torch.nn.utils import weight_norm

from espnet_st.codec.grouped_conv import GroupedConv1d
from espnet_st.codec.losses import Discrimination


class Discriminators(nn.Module):
    """All discriminators, each of which gets the same waveform.

    Args:
        stft_sizes: FFT size of each STFT discriminator; its hop is a quarter.
        stft_filters: Channels of the STFT discriminators.
        periods: Samples between the columns that each period discriminator sees.
        period_channels: Channels after a period discriminator's first convolution.
        max_period_channels: Its widest layer.
        scales: Scale discriminators, each at half the rate of the one before.
        scale_channels: Channels after a scale discriminator's first convolution.
        max_scale_channels: Its widest layer.
        official: Whether they equal HiFi-GAN's, which the released code has: the last
            kernels of the period discriminators are 3 and the first scale
            discriminator has spectral norm. ESPnet's have 2, and weight norm.
    """

    def __init__(
        self,
        stft_sizes: Sequence[int] = (1024, 2048, 512, 256, 128),
        stft_filters: int = 32,
        periods: Sequence[int] = (2, 3, 5, 7, 11),
        period_channels: int = 32,
        max_period_channels: int = 1024,
        scales: int = 3,
        scale_channels: int = 128,
        max_scale_channels: int = 1024,
        official: bool = False,
    ):
        super().__init__()
        # In place: a layer keeps its output for the backward pass, not its input too.
        activation = {"negative_slope": 0.1, "inplace": True}
        self.msstft = MultiScaleSTFTDiscriminator(
            stft_filters,
            n_ffts=list(stft_sizes),
            hop_lengths=[size // 4 for size in stft_sizes],
            win_lengths=list(stft_sizes),
            activation_params={"negative_slope": 0.2, "inplace": True},
        )
        self.mpd = HiFiGANMultiPeriodDiscriminator(
            periods=list(periods),
            discriminator_params={
                "channels": period_channels,
                "max_downsample_channels": max_period_channels,
                "nonlinear_activation_params": activation,
            },
        )
        self.msd = HiFiGANMultiScaleDiscriminator(
            scales=scales,
            discriminator_params={
                "channels": scale_channels,
                "max_downsample_channels": max_scale_channels,
                "nonlinear_activation_params": activation,
            },
            follow_official_norm=official,
        )
        # ESPnet has no way to choose the class; parameters and norms stay as they are.
        for layer in self.msd.modules():
            if isinstance(layer, nn.Conv1d) and layer.groups > 1:
                layer.__class__ = GroupedConv1d
        if official:
            for discriminator in self.mpd.discriminators:
                channels = discriminator.output_conv.in_channels
                discriminator.output_conv = weight_norm(
                    nn.Conv2d(channels, 1, (3, 1), padding=(1, 0))
                )

    def forward(self, wav: Tensor) -> list[Discrimination]:
        """Discriminate waveforms (B, 1, N)."""
        outputs = {
            "stft": self.msstft(wav),
            "period": self.mpd(wav),
            "scale": self.msd(wav),
        }
        return [
            Discrimination(kind, layers[:-1], layers[-1])
            for kind, several in outputs.items()
            for layers in several
        ]

    def discriminate_both(
        self, real: Tensor, fake: Tensor
    ) -> tuple[list[Discrimination], list[Discrimination]]:
        """Discriminate real and fake waveforms (B, 1, N) in one batch."""
        both = self(torch.cat([real, fake]))
        count = len(real)
        return (
            [one.part(slice(count)) for one in both],
            [one.part(slice(count, None)) for one in both],
        )
