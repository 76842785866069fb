"""Parts of tiny codecs that tests of several rooms train."""

import torch

SPECTRAL = {"channels": 16, "hidden": 16, "n_blocks": 1}

DISCRIMINATORS = {
    "stft_sizes": [256],
    "stft_filters": 2,
    "periods": [2],
    "period_channels": 4,
    "max_period_channels": 8,
    "scales": 1,
    "scale_channels": 16,
    "max_scale_channels": 16,
}

LOSSES = {"discriminator_conf": DISCRIMINATORS, "mel_loss_conf": {"exponents": [7, 9]}}


class FrameTeacher(torch.nn.Module):
    """Features (B, T, 8) that are a fixed projection of each frame's samples."""

    output_size = 8

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.weight = torch.randn(320, 8, generator=generator)
        self.lengths = None

    def forward(self, wav, lengths=None):
        self.lengths = lengths
        return wav.unfold(1, 320, 320) @ self.weight
