"""Translating the official codec's options and tensor names to ours, and back.

Both codes build the same layers in the same order, so a layer has the same number in
both and its tensors have the same shapes: converting is renaming. Files are
read and written by `exchange_codec`. Facts are from the package `speechtokenizer` 1.0.1
(`model.py`, `modules/`, `quantization/core_vq.py`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from espnet_st.codec.generator import Generator
from espnet_st.codec.layers import ConvTranspose1d
from espnet_st.codec.quantizer import ResidualVectorQuantizer
from espnet_st.codec.seanet import SEANetDecoder, SEANetEncoder

MODEL = ""
BOTH = ("encoder_conf", "decoder_conf")

OPTIONS: dict[str, tuple[type, tuple[str, ...]]] = {
    "sample_rate": (int, (MODEL,)),
    "dimension": (int, (MODEL,)),
    "semantic_dimension": (int, (MODEL,)),
    "n_filters": (int, BOTH),
    "strides": (list, BOTH),
    "lstm_layers": (int, BOTH),
    "bidirectional": (bool, ("encoder_conf",)),
    "dilation_base": (int, BOTH),
    "residual_kernel_size": (int, BOTH),
    "n_residual_layers": (int, BOTH),
    "activation": (str, BOTH),
    "n_q": (int, ("quantizer_conf",)),
    "codebook_size": (int, ("quantizer_conf",)),
}
"""Options of `config.json` that shape the model: type, and blocks of our `codec_conf`
that hold them under the same name."""

MAY_BE_NONE = ("lstm_layers", "n_residual_layers")
EXPECTED = {
    int: "a positive integer",
    bool: "true or false",
    str: "a name",
    list: "positive integers",
}

ACTIVATIONS = {"ELU": "elu", "Snake": "snake"}

RENAMES = (
    (r"^(encoder|decoder)\.stack\.layers\.", r"\1.model."),
    (r"\.act1\.", ".block.0."),
    (r"\.conv1\.", ".block.1."),
    (r"\.act2\.", ".block.2."),
    (r"\.conv2\.", ".block.3."),
    (r"\.act\.", "."),
    (r"\.conv\.", ".conv.conv."),
    (r"\.parametrizations\.weight\.original0$", ".weight_g"),
    (r"\.parametrizations\.weight\.original1$", ".weight_v"),
    (r"^quantizer\.layers\.(\d+)\.", r"quantizer.vq.layers.\1._codebook."),
    (r"\._codebook\.initialised$", "._codebook.inited"),
    (r"\._codebook\.counts$", "._codebook.cluster_size"),
    (r"\._codebook\.entries$", "._codebook.embed"),
    (r"\._codebook\.sums$", "._codebook.embed_avg"),
    (r"^projection\.", "transform."),
)
"""Patterns of our tensors' names and what the official code calls it, in order."""


def conf_from_official(config: Mapping[str, Any]) -> dict[str, Any]:
    """Make the part of our `codec_conf` that builds the model of a `config.json`.

    Args:
        config: The whole of it; options that do not shape the model are left aside.

    Raises:
        ValueError: If an option is missing, of the wrong type or unknown to us.
    """
    missing = [option for option in OPTIONS if option not in config]
    if missing:
        raise ValueError(f"the official configuration lacks {missing}")
    conf: dict[str, Any] = {"encoder": "seanet", "decoder": "seanet"}
    for option, (kind, blocks) in OPTIONS.items():
        value = config[option]
        if type(value) is not kind or not _possible(option, value):
            raise ValueError(
                f"the official configuration has {option}: {value!r}; expected "
                f"{EXPECTED[kind]}"
            )
        if option == "activation" and value not in ACTIVATIONS:
            raise ValueError(
                f"activation {value!r} is unknown; expected one of {list(ACTIVATIONS)}"
            )
        for block in blocks:
            if option == "strides":  # the decoder's order there, the encoder's here
                value = list(reversed(config[option]))
            elif option == "activation":
                value = ACTIVATIONS[config[option]]
            (conf.setdefault(block, {}) if block else conf)[option] = value
    return conf


def _possible(option: str, value: Any) -> bool:
    """Tell whether a value of the right type makes sense."""
    if isinstance(value, list):
        return bool(value) and all(type(v) is int and v > 0 for v in value)
    if type(value) is int:
        return value > 0 or (value == 0 and option in MAY_BE_NONE)
    return True


def conf_to_official(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Make the options of `config.json` for the model that our `codec_conf` builds.

    Args:
        conf: Arguments of `Generator`; what is left out has its default.

    Raises:
        ValueError: If the official code cannot build that model; the options that it
            does not have are named.
    """
    full = _completed(conf)
    config = {}
    for option, (_, blocks) in OPTIONS.items():
        value = (full[blocks[0]] if blocks[0] else full)[option]
        if option == "strides":
            value = list(reversed(value))
        elif option == "activation":
            value = {ours: name for name, ours in ACTIVATIONS.items()}.get(value, value)
        config[option] = value
    back = _completed(conf_from_official(config))
    lost = [
        f"{block}.{option}: {value!r}" if block else f"{option}: {value!r}"
        for block in (MODEL, *BOTH)
        for option, value in (full[block] if block else full).items()
        if not isinstance(value, dict)
        and value != (back[block] if block else back)[option]
    ]
    if lost:
        raise ValueError(f"the official code cannot build a model with {lost}")
    return config


def _completed(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Fill `conf` with the defaults of all that it leaves out, tuples as lists."""
    full = _defaults(Generator) | dict(conf)
    if (full["encoder"], full["decoder"]) != ("seanet", "seanet"):
        raise ValueError(
            f"encoder {full['encoder']!r} and decoder {full['decoder']!r}: the "
            "official code has only 'seanet'"
        )
    parts = {
        "encoder_conf": SEANetEncoder,
        "decoder_conf": SEANetDecoder,
        "quantizer_conf": ResidualVectorQuantizer,
    }
    for block, part in parts.items():
        options = _defaults(part) | dict(full[block] or {})
        full[block] = {
            option: list(value) if isinstance(value, tuple) else value
            for option, value in options.items()
        }
    return full


def _defaults(part: type[nn.Module]) -> dict[str, Any]:
    parameters = inspect.signature(part).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def official_names(generator: Generator) -> dict[str, str]:
    """Give the official name of each tensor of a generator, by our name.

    The projection is left out when it has as many outputs as inputs: the official code
    then has none.
    """
    upsampling = tuple(
        f"{name}."
        for name, module in generator.named_modules()
        if isinstance(module, ConvTranspose1d)
    )
    names = {}
    for key in generator.state_dict():
        if key.startswith("projection.") and _square(generator):
            continue
        name = key
        for pattern, replacement in RENAMES:
            name = re.sub(pattern, replacement, name)
        if key.startswith(upsampling):
            name = name.replace(".conv.conv.", ".convtr.convtr.")
        names[key] = name
    return names


def state_from_official(
    state: Mapping[str, Tensor], generator: Generator
) -> dict[str, Tensor]:
    """Rename the tensors of an official state dict to ours.

    Args:
        state: All that `official_names` expects.
        generator: Tells the names; its own tensors may be on the meta device. Where
            the official model has no projection, ours is the identity.
    """
    ours = {key: state[name] for key, name in official_names(generator).items()}
    if _square(generator):
        size = generator.projection.in_features
        ours |= {"projection.weight": torch.eye(size)}
        ours |= {"projection.bias": torch.zeros(size)}
    return ours


def state_to_official(
    state: Mapping[str, Tensor], generator: Generator
) -> dict[str, Tensor]:
    """Rename our tensors as the official code: the inverse of `state_from_official`.

    Raises:
        ValueError: If there is a projection that the official code cannot have.
    """
    if _square(generator):
        weight, bias = state["projection.weight"], state["projection.bias"]
        if bias.any() or not torch.equal(weight, torch.eye(len(weight)).to(weight)):
            raise ValueError(
                f"dimension and semantic_dimension are both {len(weight)}: the "
                "official code has no projection then, and this model has a learnt "
                "one. Only distillation uses it: set it to the identity to drop it"
            )
    return {name: state[key] for key, name in official_names(generator).items()}


def _square(generator: Generator) -> bool:
    projection = generator.projection
    return projection.in_features == projection.out_features
