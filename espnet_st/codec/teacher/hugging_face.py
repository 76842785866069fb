"""Teachers of transformers: HuBERT and WavLM, from a directory or its hub."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from espnet_st.codec.teacher.backbones import Backbone

MODEL_TYPES = ("hubert", "wavlm")


class HuggingFaceBackbone(Backbone):
    """transformers' `HubertModel` or `WavLMModel`."""

    def __init__(self, model: Any, normalize: bool = True, sample_rate: int = 16000):
        """Wrap a model.

        Args:
            model: The model.
            normalize: `do_normalize` of its feature extractor.
            sample_rate: `sampling_rate` of its feature extractor.

        Raises:
            ValueError: On another model.
        """
        config = model.config
        check_type("the teacher", config.model_type)
        super().__init__(
            model,
            sample_rate,
            n_layers=config.num_hidden_layers,
            width=config.hidden_size,
            kernels=config.conv_kernel,
            strides=config.conv_stride,
            epsilon=1e-7 if normalize else None,
        )

    def forward(self, wav: Tensor) -> tuple[Tensor, ...]:
        """Compute all hidden states; see `Backbone.forward`."""
        return self.model(wav, output_hidden_states=True).hidden_states


def load(name: str) -> Backbone:
    """Load a directory in Hugging Face's format, or a model of its hub, strictly.

    Raises:
        ValueError: If there is no such model, or a part of it is missing or unknown.
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
    return HuggingFaceBackbone(
        model, bool(extractor.do_normalize), extractor.sampling_rate
    )


def check_type(what: str, model_type: str) -> None:
    """Refuse a model of transformers that is no teacher.

    Raises:
        ValueError: If its type is not in `MODEL_TYPES`.
    """
    if model_type not in MODEL_TYPES:
        raise ValueError(
            f"{what} is a {model_type!r} model; expected one of "
            f"{', '.join(MODEL_TYPES)}"
        )
