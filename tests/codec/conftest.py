"""A tiny codec that looks trained."""

import pytest
import torch
from tiny import CODEC, save_experiment

from espnet_st.bin.codec_inference import AudioCoding
from espnet_st.codec.generator import Generator


@pytest.fixture(scope="session")
def exp(tmp_path_factory):
    """An experiment directory as ESPnet leaves it."""
    directory = tmp_path_factory.mktemp("exp")
    torch.manual_seed(0)
    generator = Generator(**CODEC).train()
    generator.quantizer(generator.encoder(torch.randn(4, 1, 8000)))
    conf = CODEC | {"lambda_mel": 3.0}  # of training: passed over
    save_experiment(directory, generator, conf, "train.total_count.best.pth")
    return directory


@pytest.fixture(scope="session")
def codec(exp):
    return AudioCoding.from_pretrained(exp)
