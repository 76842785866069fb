"""Speech models as a teacher sees them: waveforms in, hidden states out.

One adapter for each library that models come from; loading them is in
`teacher_loading.py`, choosing layers, making units and aligning frames with the codec's
in `teachers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

SAMPLE_RATE = 16000
MODEL_TYPES = ("hubert", "wavlm")


class Backbone(nn.Module):
    """A speech model's hidden states.

    Attributes:
        model: The library's own module.
        n_layers: Transformer layers.
        width: Of a hidden state, D.
        kernels: Of the convolutions before the transformer.
        strides: Of the same; their product is the samples of a frame.
        epsilon: Added to the variance when a waveform is brought to mean 0 and variance
            1 before the model gets it; None where it gets the waveform as it is.
    """

    def __init__(
        self,
        model: nn.Module,
        n_layers: int,
        width: int,
        kernels: Sequence[int],
        strides: Sequence[int],
        epsilon: float | None,
    ):
        super().__init__()
        self.model = model
        self.n_layers = n_layers
        self.width = width
        self.kernels = list(kernels)
        self.strides = list(strides)
        self.epsilon = epsilon

    def forward(self, wav: Tensor) -> tuple[Tensor, ...]:
        """`n_layers + 1` hidden states (B, T, D), the transformer's input first.

        Args:
            wav: (B, N) at 16 kHz.
        """
        raise NotImplementedError


class HuggingFaceBackbone(Backbone):
    """transformers' `HubertModel` or `WavLMModel`."""

    def __init__(self, model: nn.Module, normalize: bool = True):
        """Wrap it.

        Args:
            model: The model.
            normalize: `do_normalize` of its feature extractor.

        Raises:
            ValueError: On another model.
        """
        config = model.config
        check_type("the teacher", config.model_type)
        super().__init__(
            model,
            n_layers=config.num_hidden_layers,
            width=config.hidden_size,
            kernels=config.conv_kernel,
            strides=config.conv_stride,
            epsilon=1e-7 if normalize else None,
        )

    def forward(self, wav: Tensor) -> tuple[Tensor, ...]:
        """As `Backbone.forward`."""
        return self.model(wav, output_hidden_states=True).hidden_states


class TorchaudioBackbone(Backbone):
    """torchaudio's `Wav2Vec2Model`, which its HuBERT and WavLM are too."""

    def __init__(self, model: nn.Module, normalize: bool = False):
        """Wrap it.

        Args:
            model: The model.
            normalize: Whether its bundle normalizes the waveforms.
        """
        convolutions = model.feature_extractor.conv_layers
        transformer = model.encoder.transformer
        super().__init__(
            model,
            n_layers=len(transformer.layers),
            width=transformer.pos_conv_embed.embed_dim,
            kernels=[layer.kernel_size for layer in convolutions],
            strides=[layer.stride for layer in convolutions],
            epsilon=1e-5 if normalize else None,
        )

    def forward(self, wav: Tensor) -> tuple[Tensor, ...]:
        """As `Backbone.forward`."""
        first, (states, _) = _with_input_of(
            self.model.encoder.transformer.layers[0],
            lambda: self.model.extract_features(wav),
        )
        return (first, *states)


class EspnetBackbone(Backbone):
    """ESPnet's `ESPnetSSLModel` with a convolutional frontend; its loss is left out."""

    def __init__(self, model: nn.Module):
        """Wrap it.

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
            n_layers=len(model.encoder.encoders),
            width=model.encoder.output_size(),
            kernels=[layer.kernel_size for layer in convolutions],
            strides=[layer.stride for layer in convolutions],
            epsilon=1e-5 if normalize else None,
        )

    def forward(self, wav: Tensor) -> tuple[Tensor, ...]:
        """As `Backbone.forward`; the last state is the normalized output."""
        lengths = torch.full((len(wav),), wav.shape[1], device=wav.device)
        first, (output, states, _) = _with_input_of(
            self.model.encoder.encoders[0],
            lambda: self.model.inference_encode(wav, lengths),
        )
        return (first, *states[:-1], output)


def _with_input_of(layer: nn.Module, run: Callable[[], Any]) -> tuple[Tensor, Any]:
    """What `layer` is given while `run` runs, and what `run` returns."""
    seen = []
    handle = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        result = run()
    finally:
        handle.remove()
    # Encoders with relative positions pass them along with the states.
    return seen[0][0] if isinstance(seen[0], tuple) else seen[0], result


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
