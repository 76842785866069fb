"""Tiny codecs and teachers of several rooms' tests."""

import torch
import yaml

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


CODEC = {
    "sample_rate": 16000,
    "dimension": 16,
    "semantic_dimension": 8,
    "encoder": "spectral",
    "decoder": "spectral",
    "encoder_conf": SPECTRAL | {"n_mels": 20},
    "decoder_conf": SPECTRAL,
    "quantizer_conf": {"n_q": 3, "codebook_size": 8},
}

HUBERT = {
    "conv_dim": [8] * 7,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


def save_experiment(directory, generator, conf, checkpoint="latest.pth"):
    """An experiment directory as ESPnet leaves it."""
    state = {f"codec.generator.{k}": v for k, v in generator.state_dict().items()}
    torch.save(state, directory / checkpoint)
    config = {"codec": "speechtokenizer", "codec_conf": conf}
    (directory / "config.yaml").write_text(yaml.safe_dump(config))


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
