"""Teachers of ESPnet: experiments of its SSL and HuBERT tasks."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from espnet_st.codec.teacher.backbones import Backbone, run_with_input
from espnet_st.codec.teacher.torchaudio_bundle import TorchaudioBackbone

UNREADABLE = (
    *(OSError, EOFError, RuntimeError, pickle.UnpicklingError),
    *(LookupError, ValueError, TypeError, AttributeError),
)
"""Errors by which a damaged or hostile checkpoint is refused."""


class EspnetBackbone(Backbone):
    """ESPnet's `ESPnetSSLModel` with a convolutional frontend; its loss is left out."""

    def __init__(self, model: Any, sample_rate: int = 16000):
        """Wrap a model.

        Args:
            model: The model.
            sample_rate: Hz of the waveforms that it takes.

        Raises:
            ValueError: If its frontend is not `wav2vec_cnn`.
        """
        convolutions = getattr(model.frontend, "layers", None)
        if convolutions is None:
            raise ValueError(
                f"the teacher's frontend is {type(model.frontend).__name__}; expected "
                "'wav2vec_cnn', whose frames can be aligned with the codec's"
            )
        # It would normalize a batch as a whole; `Teacher` does it for each item.
        normalize, model.frontend.normalize_audio = (
            model.frontend.normalize_audio,
            False,
        )
        model.losses, model.util_modules = nn.ModuleList(), nn.ModuleDict()
        super().__init__(
            model,
            sample_rate,
            n_layers=len(model.encoder.encoders),
            width=model.encoder.output_size(),
            kernels=[layer.kernel_size for layer in convolutions],
            strides=[layer.stride for layer in convolutions],
            epsilon=1e-5 if normalize else None,
        )

    def forward(self, wav: Tensor) -> tuple[Tensor, ...]:
        """Compute all hidden states, of which the last is the normalized output."""
        lengths = torch.full((len(wav),), wav.shape[1], device=wav.device)
        first, (output, states, _) = run_with_input(
            self.model.encoder.encoders[0],
            lambda: self.model.inference_encode(wav, lengths),
        )
        return (first, *states[:-1], output)


def is_experiment(name: str) -> bool:
    """Tell whether a name is a checkpoint `DIR/x.pth`, or a DIR with `config.yaml`."""
    return name.endswith(".pth") or (Path(name) / "config.yaml").is_file()


def load(name: str) -> Backbone:
    """Load a checkpoint with the `config.yaml` beside it, strictly.

    Args:
        name: The checkpoint, or a directory where it is the only one.

    Raises:
        ValueError: If a file is missing, does not fit or is of another task.
    """
    path = Path(name)
    if path.is_dir():
        found = sorted(path.glob("*.pth"))
        if len(found) != 1:
            names = ", ".join(one.name for one in found) or "none"
            raise ValueError(
                f"{path} has these checkpoints: {names}; name one as the teacher"
            )
        path = found[0]
    config = path.with_name("config.yaml")
    for needed in (path, config):
        if not needed.is_file():
            raise ValueError(f"no {needed}: is this an ESPnet experiment's checkpoint?")
    conf = yaml.safe_load(config.read_text(encoding="utf-8"))
    if conf.get("encoder") == "torchaudio_hubert":
        from espnet2.tasks.hubert import HubertTask as Task
    elif "loss" in conf:
        from espnet2.tasks.ssl import SSLTask as Task
    else:
        raise ValueError(
            f"{config} has encoder {conf.get('encoder')!r}; expected an experiment of "
            "espnet2.bin.ssl_train, or of hubert_train with encoder torchaudio_hubert"
        )
    model = Task.build_model(argparse.Namespace(**conf))
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except UNREADABLE as error:
        raise ValueError(
            f"{path} does not fit the model of {config}: {error}"
        ) from error
    sample_rate = _sample_rate(conf)
    if conf["encoder"] != "torchaudio_hubert":
        return EspnetBackbone(model, sample_rate)
    if model.frontend is not None or model.normalize is not None:
        raise ValueError(
            f"{config} has a frontend or normalize before its encoder, which takes "
            "waveforms; expected neither"
        )
    wav2vec2 = model.encoder.hubert_pretrain_model.wav2vec2
    return TorchaudioBackbone(wav2vec2, sample_rate=sample_rate)


def _sample_rate(conf: Mapping[str, Any]) -> int:
    """Find the rate in a configuration, where ESPnet's tasks look for it."""
    rate = (conf.get("frontend_conf") or {}).get("fs", 16000)
    if isinstance(rate, str):  # such as 16k
        return round(float(rate.removesuffix("k")) * 1000 ** rate.endswith("k"))
    return int(rate)
