"""The discriminators of section 3.1: MS-STFT, multi-period and multi-scale.

The networks are ESPnet's; here they get the paper's sizes and one way to be called.
"""

from __future__ import annotations

from collections.abc import Sequence

from espnet2.gan_codec.shared.discriminator.msstft_discriminator import (
    MultiScaleSTFTDiscriminator,
)
from espnet2.gan_tts.hifigan.hifigan import (
    HiFiGANMultiPeriodDiscriminator,
    HiFiGANMultiScaleDiscriminator,
)
from torch import Tensor, nn


class Discriminators(nn.Module):
    """All discriminators, each judging the same waveform.

    Args:
        stft_sizes: FFT size of each STFT discriminator; its hop is a quarter.
        stft_filters: Channels of the STFT discriminators.
        periods: Samples between the columns that each period discriminator sees.
        period_channels: Channels after a period discriminator's first convolution.
        max_period_channels: Its widest layer.
        scales: Scale discriminators, each at half the rate of the one before.
        scale_channels: Channels after a scale discriminator's first convolution.
        max_scale_channels: Its widest layer.
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
    ):
        super().__init__()
        self.msstft = MultiScaleSTFTDiscriminator(
            stft_filters,
            n_ffts=list(stft_sizes),
            hop_lengths=[size // 4 for size in stft_sizes],
            win_lengths=list(stft_sizes),
        )
        self.mpd = HiFiGANMultiPeriodDiscriminator(
            periods=list(periods),
            discriminator_params={
                "channels": period_channels,
                "max_downsample_channels": max_period_channels,
            },
        )
        self.msd = HiFiGANMultiScaleDiscriminator(
            scales=scales,
            discriminator_params={
                "channels": scale_channels,
                "max_downsample_channels": max_scale_channels,
            },
        )

    def forward(self, wav: Tensor) -> list[list[Tensor]]:
        """Judge a waveform (B, 1, N).

        Returns:
            For each discriminator its layers' outputs, the logits last.
        """
        return [*self.msstft(wav), *self.mpd(wav), *self.msd(wav)]
