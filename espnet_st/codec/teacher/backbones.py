"""Speech models as a teacher sees them: waveforms in, hidden states out.

One adapter for each library that models come from: `hugging_face.py`,
`torchaudio_bundle.py`, `espnet_ssl.py`. Choosing layers, making units and aligning
frames with the codec's are in `teacher.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """A speech model's hidden states.

    Attributes:
        model: The library's own module.
        sample_rate: Hz of the waveforms that it takes.
        n_layers: Transformer layers.
        width: Of a hidden state, D.
        kernels: Of the convolutions before the transformer.
        strides: Of the same.
        epsilon: Added to the variance when a waveform is brought to mean 0 and variance
            1 before the model gets it; None where it gets the waveform as it is.
    """

    model: Any

    def __init__(
        self,
        model: Any,
        sample_rate: int,
        n_layers: int,
        width: int,
        kernels: Sequence[int],
        strides: Sequence[int],
        epsilon: float | None,
    ):
        super().__init__()
        self.model = model
        self.sample_rate = sample_rate
        self.n_layers = n_layers
        self.width = width
        self.kernels = list(kernels)
        self.strides = list(strides)
        self.epsilon = epsilon

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return prod(self.strides)

    @abstractmethod
    def forward(self, wav: Tensor) -> tuple[Tensor, ...]:
        """Compute all hidden states of waveforms.

        Args:
            wav: (B, N) at `sample_rate`.

        Returns:
            `n_layers + 1` states (B, T, D), the transformer's input first.
        """


def run_with_input(layer: nn.Module, run: Callable[[], Any]) -> tuple[Tensor, Any]:
    """Call `run`, and catch what `layer` gets meanwhile.

    Returns:
        The first argument of `layer`, and the result of `run`.
    """
    seen: list[Any] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        result = run()
    finally:
        handle.remove()
    # Encoders with relative positions pass them along with the states.
    return seen[0][0] if isinstance(seen[0], tuple) else seen[0], result
