"""The official package's models with the same weights as ours."""

import torch
from speechtokenizer import SpeechTokenizer as OfficialSpeechTokenizer
from torch import nn

from espnet_st.checkpoints.official_codec import official_names

RELEASED = {
    "strides": (2, 4, 5, 8),
    "n_filters": 4,
    "dimension": 24,
    "n_q": 8,
    "codebook_size": 32,
    "dilation_base": 2,
    "residual_kernel_size": 3,
    "n_residual_layers": 1,
    "lstm_layers": 2,
    "bidirectional": True,
    "activation": "elu",
}
SHAPES = {
    "released": RELEASED,
    "snake": RELEASED
    | {"strides": (3, 2), "n_filters": 6, "n_q": 3, "activation": "snake"}
    | {"n_residual_layers": 2, "dilation_base": 3, "residual_kernel_size": 5},
    "one way": RELEASED
    | {"strides": (5, 2, 2), "dimension": 9, "n_q": 5, "lstm_layers": 1}
    | {"bidirectional": False, "n_residual_layers": 3},
    "no LSTM": RELEASED
    | {"strides": (4,), "n_filters": 8, "n_q": 1, "codebook_size": 7}
    | {"bidirectional": False, "lstm_layers": 0, "activation": "snake"},
}
BOTH = ("strides", "n_filters", "dilation_base", "residual_kernel_size")
BOTH += ("n_residual_layers", "lstm_layers", "activation")
SEMANTIC = 8


def close(ours, theirs, tolerance=1e-5):
    """Equal to a relative error, of the largest value for what is near zero."""
    floor = tolerance * float(theirs.detach().abs().max())
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=floor)


def official_model(shape, wav):
    """An official model with random weights and used codebooks."""
    config = shape | {
        "strides": list(reversed(shape["strides"])),
        "activation": {"elu": "ELU", "snake": "Snake"}[shape["activation"]],
        "semantic_dimension": SEMANTIC,
        "sample_rate": 16000,
    }
    model = OfficialSpeechTokenizer(config).train()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("alpha"):
                parameter.uniform_(0.5, 1.5)
            # Let the signal outweigh the biases: frames must differ.
            if name.endswith("weight_g"):
                parameter.mul_(1.5)
            if name.endswith("conv.bias"):
                parameter.mul_(0.1)
        residual = model.encoder(wav).transpose(1, 2).flatten(0, 1)  # (B * T, D)
        for layer in model.quantizer.vq.layers:
            codebook = layer._codebook
            codebook.threshold_ema_dead_code = 0
            codebook.inited.fill_(1)
            codebook.cluster_size.uniform_(1, 5)
            noise = torch.randn_like(codebook.embed)
            codebook.embed.copy_(residual.mean(0) + residual.std(0) * noise)
            codebook.embed_avg.copy_(codebook.embed * codebook.cluster_size[:, None])
            residual = residual - codebook.decode(codebook.encode(residual))
    return model


def parts_of(shape):
    """Our `encoder_conf`, `decoder_conf`, ... of the same shape."""
    conf = {key: shape[key] for key in BOTH}
    return {
        "sample_rate": 16000,
        "dimension": shape["dimension"],
        "semantic_dimension": SEMANTIC,
        "encoder_conf": conf | {"bidirectional": shape["bidirectional"]},
        "decoder_conf": conf,
        "quantizer_conf": {
            "n_q": shape["n_q"],
            "codebook_size": shape["codebook_size"],
            "dead_code_threshold": 0.0,
        },
    }


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


@torch.no_grad()
def copy(pairs):
    """Make ours equal to theirs."""
    for mine, official in pairs:
        assert mine.shape == official.shape
        mine.copy_(official)
