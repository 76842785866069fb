"""A codec of 4 layers at 24 kHz, speech, and actions on it."""

import numpy as np
import pytest
import soundfile
import torch
from tiny import CODEC, save_experiment

from espnet_st.codec.generator import Generator
from espnet_st.demo.actions import Actions
from espnet_st.demo.inputs import Limits
from espnet_st.demo.wav_store import WavStore
from espnet_st.inference.audio_coding import AudioCoding

RATE = 24000
CONF = CODEC | {
    "sample_rate": RATE,
    "quantizer_conf": {"n_q": 4, "codebook_size": 16},
}


@pytest.fixture(scope="session")
def codec_24k(tmp_path_factory):
    directory = tmp_path_factory.mktemp("exp_24k")
    torch.manual_seed(0)
    generator = Generator(**CONF).train()
    generator.quantizer(generator.encoder(torch.randn(4, 1, 12000)))
    save_experiment(directory, generator, CONF)
    return AudioCoding.from_pretrained(directory)


@pytest.fixture
def store(tmp_path):
    return WavStore(tmp_path / "played")


@pytest.fixture
def actions(codec_24k, store):
    return Actions(codec_24k, None, Limits(), store, lambda path: f"/wavs/{path}")


@pytest.fixture
def write(tmp_path):
    """Writes samples into a file, and gives its name."""

    def write(samples, rate=RATE, name="speech.wav", **options):
        soundfile.write(tmp_path / name, samples, rate, **options)
        return str(tmp_path / name)

    return write


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(0, 0.1, RATE).astype("float32")
