"""What a trained model is: sizes, rates, and what its files tell of its making."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from espnet_st.checkpoints.generators import load_generator
from espnet_st.checkpoints.loading import (
    OFFICIAL_CHECKPOINT,
    find_checkpoint,
    read_config,
)
from espnet_st.checkpoints.sources import CODEC, META, ModelFiles, model_files
from espnet_st.checkpoints.uslm_release import CHECKPOINT, TTS, is_release, load_uslm
from espnet_st.codec.part import CodecPart
from espnet_st.codec.registry import DECODERS, ENCODERS
from espnet_st.inference.decode_defaults import read_defaults

RESULTS = "RESULTS.md"

TRAINING = ("max_epoch", "num_iters_per_epoch", "seed")
"""Keys of ESPnet's `config.yaml` that tell of the training."""

PASSED_OVER = ("files", "yaml_files", "timestamp")
"""Keys of `meta.yaml` that say nothing of the model."""


def describe_model(source: str | Path) -> dict[str, Any]:
    """Describe a codec or a USLM, in what JSON can hold.

    Args:
        source: What `AudioCoding.from_pretrained` or `Text2Speech.from_pretrained`
            takes.

    Returns:
        What it is by name; names depend on its `kind`, `codec` or `uslm`.

    Raises:
        ValueError: If it is no model of these, or damaged.
    """
    about: dict[str, Any] = {"model": str(source)}
    directory = Path(source)
    if is_release(directory):
        about |= _describe_uslm(directory / "config.yaml", directory / CHECKPOINT)
    else:
        files = model_files(source)
        about |= _describe_files(files)
        directory = files.root or files.config.parent
    results = directory / RESULTS
    return about | {
        "packed": _read_meta(directory / META),
        "results": results.read_text("utf-8") if results.is_file() else None,
    }


def _describe_files(files: ModelFiles) -> dict[str, Any]:
    """Describe the model of a configuration, of whatever kind it is."""
    if files.config.suffix == ".json":
        official = files.config.with_name(OFFICIAL_CHECKPOINT)
        return _describe_codec(files.config, official)
    config = read_config(files.config)
    checkpoint = files.checkpoint or find_checkpoint(files.config.parent)
    describe = _describe_uslm if "tts" in config else _describe_codec
    training = _describe_training(config)
    return describe(files.config, checkpoint) | {"training": training}


def _describe_codec(config: Path, checkpoint: Path) -> dict[str, Any]:
    generator = load_generator(config, checkpoint)
    n_q, size = generator.n_q, generator.codebook_size
    rate = generator.frame_rate * math.log2(size)
    parts = {"encoder": generator.encoder, "decoder": generator.decoder}
    streams = generator.streams
    counts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()
    }
    books = n_q * size * generator.dimension
    return {
        "kind": "codec",
        "codec": generator.kind,
        "encoder": _name(generator.encoder, ENCODERS),
        "decoder": _name(generator.decoder, DECODERS),
        "sample_rate": generator.sample_rate,
        "hop_length": generator.hop_length,
        "frame_rate": generator.frame_rate,
        "n_q": n_q,
        "codebook_size": size,
        "dimension": generator.dimension,
        "bits_per_second": {_layers(k): round(k * rate) for k in range(1, n_q + 1)},
        "parameters": counts | {"codebooks": books},
        "checkpoint_bytes": checkpoint.stat().st_size,
        "streams": streams,
        "latency": generator.hop_length / generator.sample_rate if streams else None,
    }


def _name(part: nn.Module, registry: Mapping[str, type[CodecPart]]) -> str:
    """Name an encoder or a decoder; those of ESPnet's own codecs are SEANets."""
    names = [name for name, kind in registry.items() if type(part) is kind]
    return names[0] if names else "seanet"


def _layers(last: int) -> str:
    """Name the layers up to one, as options do."""
    return "1" if last == 1 else f"1-{last}"


def _describe_uslm(config_file: Path, checkpoint: Path) -> dict[str, Any]:
    config, state = load_uslm(config_file, checkpoint)
    conf = config["tts_conf"]
    named = config_file.with_name(CODEC)
    shape = ("d_model", "n_heads", "ar_layers", "nar_layers", "ffn_size", "train")
    return {
        "kind": "uslm",
        "codec": read_config(named).get("codec") if named.is_file() else None,
        "n_q": config["odim"],
        "codebook_size": conf.get("codebook_size", 1024),
        "text_tokens": len(config["token_list"]),
        "token_type": config["token_type"],
        "g2p": config.get("g2p"),
        "sizes": {name: conf[name] for name in shape if name in conf},
        "parameters": _count(state),
        "checkpoint_bytes": checkpoint.stat().st_size,
        "decoding": read_defaults(config_file.parent),
    }


def _count(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Count the values of a USLM's tensors by part; what parts share counts once."""
    counts: dict[str, int] = {}
    seen = set()
    for name, tensor in state.items():
        place = tensor.data_ptr(), tensor.shape
        if name.startswith(TTS) and place not in seen:
            seen.add(place)
            part = name.removeprefix(TTS).partition(".")[0]
            counts[part] = counts.get(part, 0) + tensor.numel()
    return counts


def _describe_training(config: Mapping[str, Any]) -> dict[str, Any]:
    """Tell what `config.yaml` says of a training run; nothing if it says nothing."""
    told = {name: config[name] for name in TRAINING if config.get(name) is not None}
    if "version" in config:
        told["espnet"] = config["version"]
    data = config.get("train_data_path_and_name_and_type") or []
    if data:
        told["data"] = [str(path) for path, *_ in data]
    teacher = (config.get("codec_conf") or {}).get("teacher_conf") or {}
    if "name" in teacher:
        told["teacher"] = teacher["name"]
        told["teacher_layer"] = teacher.get("layer")
    return told


def _read_meta(path: Path) -> dict[str, Any]:
    """Tell what a packed model says of itself beside its files, such as its licence."""
    meta = read_config(path) if path.is_file() else {}
    return {str(key): value for key, value in meta.items() if key not in PASSED_OVER}
