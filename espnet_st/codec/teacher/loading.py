"""Where teachers come from: Hugging Face, torchaudio, ESPnet; all loaded strictly."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import yaml

from espnet_st.codec.teacher.backbones import (
    SAMPLE_RATE,
    Backbone,
    EspnetBackbone,
    HuggingFaceBackbone,
    TorchaudioBackbone,
    check_type,
)

BUNDLE = "torchaudio:"


def load_backbone(name: str) -> Backbone:
    """Load a speech model, strictly.

    Args:
        name: `torchaudio:BUNDLE`, such as `torchaudio:HUBERT_BASE`; an ESPnet SSL
            checkpoint, `DIR/x.pth` with its `config.yaml` beside, or DIR where it is
            the only one; else a directory in Hugging Face's format, or a name on its
            hub.

    Raises:
        ValueError: If there is no such model, or a part of it is missing or unknown.
    """
    if name.startswith(BUNDLE):
        return load_torchaudio(name.removeprefix(BUNDLE))
    if name.endswith(".pth") or (Path(name) / "config.yaml").is_file():
        return load_espnet(Path(name))
    return load_hugging_face(name)


def load_hugging_face(name: str) -> Backbone:
    """Load a directory in Hugging Face's format, or from its hub, as `load_backbone`.

    Raises:
        ValueError: As `load_backbone`.
    """
    try:
        from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
    except ImportError as error:
        raise ValueError(
            "this teacher needs transformers: pip install 'espnet-st[teacher]'"
        ) from error
    try:
        check_type(name, AutoConfig.from_pretrained(name).model_type)
        extractor = AutoFeatureExtractor.from_pretrained(name)
        model, report = AutoModel.from_pretrained(name, output_loading_info=True)
    except OSError as error:
        raise ValueError(
            f"the teacher {name!r} could not be loaded: it is not a directory with "
            "config.json, preprocessor_config.json and model.safetensors, and the "
            "hub did not give it. Where there is no network, fetch it elsewhere "
            f"(hf download {name} --local-dir DIR) and name DIR, or train a small "
            "one: python -m espnet_st.bin.teacher train"
        ) from error
    wrong = {key: sorted(map(str, names)) for key, names in report.items() if names}
    if wrong:
        raise ValueError(f"the checkpoint of {name} does not fit its model: {wrong}")
    _check_rate(name, extractor.sampling_rate)
    return HuggingFaceBackbone(model, bool(extractor.do_normalize))


def load_torchaudio(name: str) -> Backbone:
    """Load a bundle of `torchaudio.pipelines` by its name, as `load_backbone`.

    Raises:
        ValueError: As `load_backbone`.
    """
    from torchaudio import pipelines

    def usable(bundle: object) -> bool:
        # The bundles for recognition end in letters; they are no better as teachers.
        return isinstance(bundle, pipelines.Wav2Vec2Bundle) and not isinstance(
            bundle, pipelines.Wav2Vec2ASRBundle
        )

    bundle = getattr(pipelines, name, None)
    if not usable(bundle):
        known = [key for key, value in vars(pipelines).items() if usable(value)]
        raise ValueError(
            f"torchaudio has no bundle {name!r} for features; expected one of "
            f"{', '.join(sorted(known))}"
        )
    _check_rate(name, bundle.sample_rate)
    try:
        model = bundle.get_model(dl_kwargs={"weights_only": True})
    except OSError as error:
        raise ValueError(
            f"the weights of torchaudio's {name} could not be fetched ({error}). "
            "Where there is no network, put the file elsewhere fetched into "
            f"{torch.hub.get_dir()}/checkpoints"
        ) from error
    # A bundle that normalizes wraps its model, and would treat a batch as a whole.
    normalize = getattr(model, "normalize_waveform", False)
    return TorchaudioBackbone(model.model if normalize else model, normalize)


def load_espnet(path: Path) -> Backbone:
    """Load a checkpoint of ESPnet's SSL or HuBERT task, as `load_backbone`.

    Raises:
        ValueError: As `load_backbone`.
    """
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
    except Exception as error:
        # torch.load fails in many ways on a damaged or hostile file; all mean this.
        raise ValueError(
            f"{path} does not fit the model of {config}: {error}"
        ) from error
    if conf["encoder"] != "torchaudio_hubert":
        return EspnetBackbone(model)
    if model.frontend is not None or model.normalize is not None:
        raise ValueError(
            f"{config} has a frontend or normalize before its encoder, which hears "
            "waveforms; expected neither"
        )
    return TorchaudioBackbone(model.encoder.hubert_pretrain_model.wav2vec2)


def _check_rate(name: str, rate: float) -> None:
    if rate != SAMPLE_RATE:
        raise ValueError(f"{name} was made for {rate} Hz; expected {SAMPLE_RATE}")
