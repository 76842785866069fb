"""Teachers of torchaudio: the bundles of `torchaudio.pipelines`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from espnet_st.codec.teacher.backbones import Backbone, run_with_input

PREFIX = "torchaudio:"


class TorchaudioBackbone(Backbone):
    """torchaudio's `Wav2Vec2Model`, which its HuBERT and WavLM are too."""

    def __init__(self, model: Any, normalize: bool = False, sample_rate: int = 16000):
        """Wrap a model.

        Args:
            model: The model.
            normalize: Whether its bundle normalizes the waveforms.
            sample_rate: Hz of the waveforms that it takes.
        """
        convolutions = model.feature_extractor.conv_layers
        transformer = model.encoder.transformer
        super().__init__(
            model,
            sample_rate,
            n_layers=len(transformer.layers),
            width=transformer.pos_conv_embed.embed_dim,
            kernels=[layer.kernel_size for layer in convolutions],
            strides=[layer.stride for layer in convolutions],
            epsilon=1e-5 if normalize else None,
        )

    def forward(self, wav: Tensor) -> tuple[Tensor, ...]:
        """Compute all hidden states; see `Backbone.forward`."""
        first, (states, _) = run_with_input(
            self.model.encoder.transformer.layers[0],
            lambda: self.model.extract_features(wav),
        )
        return (first, *states)


def is_bundle(name: str) -> bool:
    """Tell whether a name is `torchaudio:BUNDLE`, such as `torchaudio:HUBERT_BASE`."""
    return name.startswith(PREFIX)


def load(name: str) -> Backbone:
    """Load a bundle.

    Raises:
        ValueError: If there is no such bundle, or its weights cannot be fetched.
    """
    from torchaudio import pipelines

    def usable(bundle: object) -> bool:
        # The bundles for recognition end in letters; they are no better as teachers.
        return isinstance(bundle, pipelines.Wav2Vec2Bundle) and not isinstance(
            bundle, pipelines.Wav2Vec2ASRBundle
        )

    name = name.removeprefix(PREFIX)
    bundle = getattr(pipelines, name, None)
    if bundle is None or not usable(bundle):
        known = [key for key, value in vars(pipelines).items() if usable(value)]
        raise ValueError(
            f"torchaudio has no bundle {name!r} for features; expected one of "
            f"{', '.join(sorted(known))}"
        )
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
    return TorchaudioBackbone(
        model.model if normalize else model, normalize, int(bundle.sample_rate)
    )
