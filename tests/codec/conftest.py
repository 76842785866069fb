"""A tiny codec that looks trained, for this room."""

import pytest
import torch
import yaml

from espnet_st.bin.codec_inference import AudioCoding
from espnet_st.codec.generator import Generator

TINY = {
    "sample_rate": 16000,
    "dimension": 16,
    "semantic_dimension": 8,
    "encoder": "spectral",
    "decoder": "spectral",
    "encoder_conf": {"channels": 16, "hidden": 16, "n_mels": 20, "n_blocks": 1},
    "decoder_conf": {"channels": 16, "hidden": 16, "n_blocks": 1},
    "quantizer_conf": {"n_q": 3, "codebook_size": 8},
}


@pytest.fixture(scope="session")
def exp(tmp_path_factory):
    """An experiment directory as ESPnet leaves it."""
    directory = tmp_path_factory.mktemp("exp")
    torch.manual_seed(0)
    generator = Generator(**TINY).train()
    generator.quantizer(generator.encoder(torch.randn(4, 1, 8000), None))
    state = {f"codec.generator.{k}": v for k, v in generator.state_dict().items()}
    torch.save(state, directory / "train.total_count.best.pth")
    config = {"codec": "speechtokenizer", "codec_conf": TINY | {"lambda_mel": 3.0}}
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    return directory


@pytest.fixture(scope="session")
def codec(exp):
    return AudioCoding.from_pretrained(exp)
