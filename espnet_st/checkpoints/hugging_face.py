"""Codecs in the form of Hugging Face: `config.json` and `model.safetensors`.

The configuration holds what builds a `Generator`, in that house's words; the tensors
have our names after `generator.`. Only the package `safetensors` is needed here; the
model class of `transformers` is in the room `huggingface`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from espnet_st.codec.generator import Generator
from espnet_st.codec.quantizer import ResidualVectorQuantizer

MODEL_TYPE = "speechtokenizer"
"""What `config.json` calls this kind of model."""
WEIGHTS = "model.safetensors"
PREFIX = "generator."
"""What the names of its tensors start with."""
PREPROCESSOR = "preprocessor_config.json"
PARTS = ("encoder", "encoder_conf", "decoder", "decoder_conf")


def is_hugging_face(config: Any) -> bool:
    """Tell whether a `config.json` is of this form."""
    return isinstance(config, dict) and "model_type" in config


def conf_to_hugging_face(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Make the options of `SpeechTokenizerConfig` for arguments of `Generator`."""
    quantizer = dict(conf.get("quantizer_conf") or {})
    known = inspect.signature(ResidualVectorQuantizer).parameters
    options = {
        "sampling_rate": conf["sample_rate"],
        "dimension": conf["dimension"],
        "semantic_dimension": conf["semantic_dimension"],
        "num_quantizers": quantizer.pop("n_q", known["n_q"].default),
        "codebook_size": quantizer.pop("codebook_size", known["codebook_size"].default),
        "quantizer_conf": quantizer,
    }
    defaults = inspect.signature(Generator).parameters
    options |= {key: conf.get(key, defaults[key].default) for key in PARTS}
    return options


def conf_from_hugging_face(config: Mapping[str, Any]) -> dict[str, Any]:
    """Make the arguments of `Generator` for a `config.json`.

    Raises:
        ValueError: If it is of another model, or an option is missing or wrong.
    """
    if config.get("model_type") != MODEL_TYPE:
        raise ValueError(
            f"the configuration is of model_type {config.get('model_type')!r}; "
            f"expected {MODEL_TYPE!r}"
        )
    numbers = ["sampling_rate", "dimension", "semantic_dimension"]
    numbers += ["num_quantizers", "codebook_size"]
    for option in numbers:
        value = config.get(option)
        if type(value) is not int or value < 1:
            raise ValueError(
                f"the configuration has {option}: {value!r}; expected a positive "
                "integer"
            )
    quantizer = dict(config.get("quantizer_conf") or {})
    quantizer |= {"n_q": config["num_quantizers"]}
    quantizer |= {"codebook_size": config["codebook_size"]}
    conf = {
        "sample_rate": config["sampling_rate"],
        "dimension": config["dimension"],
        "semantic_dimension": config["semantic_dimension"],
        "quantizer_conf": quantizer,
    }
    return conf | {key: config[key] for key in PARTS if config.get(key) is not None}


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, under the names that they have there.

    Raises:
        ValueError: If the file is missing or damaged, or `safetensors` is.
    """
    safetensors = _safetensors()
    if not path.is_file():
        raise ValueError(f"no {path}: is this the directory of a trained model?")
    try:
        return dict(safetensors.load_file(path))
    except Exception as error:
        # A damaged file fails in several ways; all mean this.
        raise ValueError(f"{path} is not a readable checkpoint: {error}") from error


def write_hugging_face(
    directory: Path, conf: Mapping[str, Any], state: Mapping[str, Tensor]
) -> None:
    """Write `config.json`, `model.safetensors` and `preprocessor_config.json`.

    Args:
        directory: Where to; it exists.
        conf: Arguments of `Generator`.
        state: Its tensors.

    Raises:
        ValueError: If `safetensors` is missing.
    """
    safetensors = _safetensors()
    known = {"architectures": ["SpeechTokenizerModel"], "model_type": MODEL_TYPE}
    _write_json(directory / "config.json", known | conf_to_hugging_face(conf))
    extractor = {
        "feature_extractor_type": "EncodecFeatureExtractor",
        "feature_size": 1,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": True,
        "sampling_rate": conf["sample_rate"],
    }
    _write_json(directory / PREPROCESSOR, extractor)
    # Each on its own: safetensors refuses memory that two of them share.
    tensors = {
        PREFIX + key: x.detach().clone().contiguous() for key, x in state.items()
    }
    safetensors.save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ValueError(
            "the form of Hugging Face needs the package safetensors: install "
            "espnet_st[teacher], or pip install safetensors"
        ) from error
    return safetensors.torch
