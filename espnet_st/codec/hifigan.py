"""ESPnet's HiFi-GAN generator as a decoder (Kong et al. 2020, arXiv:2010.05646)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from espnet_st.codec.chunks import Layer, WholeSignals
from espnet_st.codec.part import CodecPart


class HiFiGANDecoder(CodecPart):
    """Decoder of latent frames through ESPnet's `HiFiGANGenerator`; it looks ahead.

    The defaults are HiFi-GAN V1 (table 5 of its paper) with a hop of 320 samples, as
    unit vocoders have it.

    Args:
        dimension: Channels of a latent frame, D.
        channels: Channels before the first upsampling; each halves them.
        upsample_scales: Their product is the hop length.
        resblock_kernel_sizes: Kernels of the parallel residual blocks.
        resblock_dilations: Dilations within each of them.
        kernel_size: Kernel of the first and the last convolution.

    Raises:
        ValueError: If channels cannot be halved so often, or there are not as many
            dilations as kernels.
    """

    streams = False
    half_precision = False

    def __init__(
        self,
        dimension: int,
        channels: int = 512,
        upsample_scales: Sequence[int] = (5, 4, 4, 2, 2),
        resblock_kernel_sizes: Sequence[int] = (3, 7, 11),
        resblock_dilations: Sequence[Sequence[int]] = ((1, 3, 5),) * 3,
        kernel_size: int = 7,
    ):
        super().__init__()
        halved = 2 ** len(upsample_scales)
        if channels % halved:
            raise ValueError(
                f"channels is {channels}; expected a multiple of {halved}: each of the "
                f"{len(upsample_scales)} upsamplings halves them"
            )
        if len(resblock_kernel_sizes) != len(resblock_dilations):
            raise ValueError(
                f"{len(resblock_kernel_sizes)} resblock_kernel_sizes and "
                f"{len(resblock_dilations)} resblock_dilations; expected as many"
            )
        # Only those who use it shall wait for ESPnet.
        from espnet2.gan_tts.hifigan.hifigan import HiFiGANGenerator

        self.hop_length = math.prod(upsample_scales)
        self.hifigan: nn.Module = HiFiGANGenerator(
            in_channels=dimension,
            channels=channels,
            kernel_size=kernel_size,
            upsample_scales=list(upsample_scales),
            upsample_kernel_sizes=[2 * scale for scale in upsample_scales],
            resblock_kernel_sizes=list(resblock_kernel_sizes),
            resblock_dilations=[list(one) for one in resblock_dilations],
        )
        self._whole = WholeSignals(self.hifigan)

    @property
    def layers(self) -> list[Layer]:
        """Layers that it consists of; see `CodecPart`."""
        return [self._whole]
