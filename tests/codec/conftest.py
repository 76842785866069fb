"""The official package's tensors beside ours, to copy and to compare."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn


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
    pairs = seanet_pairs(ours.encoder, theirs.encoder)
    pairs += seanet_pairs(ours.decoder, theirs.decoder)
    pairs += state_pairs(ours.projection, theirs.transform)
    layers = zip(ours.quantizer.layers, theirs.quantizer.vq.layers, strict=True)
    for mine, layer in layers:
        official = layer._codebook
        pairs += [
            (mine.initialised, official.inited),
            (mine.counts, official.cluster_size),
            (mine.sums, official.embed_avg),
            (mine.entries, official.embed),
        ]
    return pairs


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
