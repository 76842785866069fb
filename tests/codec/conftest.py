"""A tiny codec that looks trained, and the official package's tensors beside ours."""

from types import SimpleNamespace

import pytest
import torch
from tiny import CODEC, save_experiment
from torch import nn

from espnet_st.bin.codec_inference import AudioCoding
from espnet_st.codec.generator import Generator
from espnet_st.codec.official import official_names


@pytest.fixture(scope="session")
def exp(tmp_path_factory):
    """An experiment directory as ESPnet leaves it."""
    directory = tmp_path_factory.mktemp("exp")
    torch.manual_seed(0)
    generator = Generator(**CODEC).train()
    generator.quantizer(generator.encoder(torch.randn(4, 1, 8000), None))
    conf = CODEC | {"lambda_mel": 3.0}  # of training: passed over
    save_experiment(directory, generator, conf, "train.total_count.best.pth")
    return directory


@pytest.fixture(scope="session")
def codec(exp):
    return AudioCoding.from_pretrained(exp)


def layers_of(module, kinds):
    """Layers of these kinds in order, and Snake, the activation that has weights."""
    return [
        part
        for part in module.modules()
        if isinstance(part, kinds)
        or isinstance(getattr(part, "alpha", None), nn.Parameter)
    ]


def state_pairs(ours, theirs):
    """(ours, theirs) of a layer; weight norm in its newer or its older form."""
    older = {
        "parametrizations.weight.original0": "weight_g",
        "parametrizations.weight.original1": "weight_v",
    }
    mine = {older.get(key, key): x for key, x in ours.state_dict().items()}
    official = theirs.state_dict()
    assert mine.keys() == official.keys()
    return [(mine[key], official[key]) for key in mine]


def seanet_pairs(ours, theirs):
    """(ours, theirs) of an encoder or a decoder."""
    # A residual block of ours has its shortcut last, the official one too.
    kinds = (nn.Conv1d, nn.ConvTranspose1d, nn.LSTM)
    layers = zip(layers_of(ours, kinds), layers_of(theirs, kinds), strict=True)
    return [pair for both in layers for pair in state_pairs(*both)]


def generator_pairs(ours, theirs):
    """(ours, theirs) of a `Generator` and an official `SpeechTokenizer`."""
    mine, official = ours.state_dict(), theirs.state_dict()
    return [(mine[key], official[name]) for key, name in official_names(ours).items()]


def discriminator_pairs(ours, theirs):
    """(ours, theirs) of `Discriminators` and a mapping by the trainer's names."""
    kinds = (nn.Conv1d, nn.Conv2d)
    mine = [ours.msstft, ours.mpd, ours.msd]
    official = [theirs[name] for name in ("mstftd", "mpd", "msd")]
    layers = zip(
        [layer for part in mine for layer in layers_of(part, kinds)],
        [layer for part in official for layer in layers_of(part, kinds)],
        strict=True,
    )
    return [pair for both in layers for pair in state_pairs(*both)]


def copy(pairs):
    """Make ours equal to theirs."""
    for mine, official in pairs:
        assert mine.shape == official.shape
        mine.copy_(official)


@pytest.fixture(scope="session")
def official_pairs():
    """The functions above: `seanet`, `generator`, `discriminators` and `copy`."""
    return SimpleNamespace(
        seanet=seanet_pairs,
        generator=generator_pairs,
        discriminators=discriminator_pairs,
        copy=torch.no_grad()(copy),
    )
