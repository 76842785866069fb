"""A copy of a generator for inference, beside one that is trained, moved or saved."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from espnet_st.codec.generator import Generator
from espnet_st.codec.layers import fold_weight_norm
from espnet_st.kernels.processor import usable_dtype


class FoldedCopy:
    """Keeps a copy whose weights are normalised once, as `AudioCoding` has them.

    It computes in bfloat16 where encoder and decoder are of that type, except the
    quantizer and the LSTM's states, and else in float32, whatever the weights are kept
    in.

    Args:
        generator: The one that is copied. The copy follows it: after its tensors have
            changed or moved, a new one is made.
        conf: What it was built with.
    """

    def __init__(self, generator: Generator, conf: Mapping[str, Any]):
        self._generator = generator
        self._conf = conf
        self._copy: Generator | None = None
        self._made_of: list[tuple[object, ...]] = []

    def get(self) -> Generator:
        """Give the copy, made or renewed where needed.

        Raises:
            ValueError: If an encoder or decoder is in bfloat16 that cannot be.
        """
        tensors = [*self._generator.parameters(), *self._generator.buffers()]
        present = [_identity(x) for x in tensors]
        if self._copy is None or present != self._made_of:
            self._copy, self._made_of = self._make(), present
        return self._copy

    def _make(self) -> Generator:
        # Not a deep copy: it would share classes, from which folding takes `weight`.
        with torch.device("meta"):
            made = Generator(**self._conf)
        parameter = next(self._generator.encoder.parameters())
        state = self._generator.state_dict()
        # Ordinary tensors, also for a caller in inference mode.
        with torch.inference_mode(False), torch.no_grad():
            made.load_state_dict({k: x.float() for k, x in state.items()}, assign=True)
            for name, buffer in self._generator.named_buffers():
                if name not in state:
                    owner, _, own = name.rpartition(".")
                    setattr(made.get_submodule(owner), own, buffer.float())
            made.eval().requires_grad_(False)
            fold_weight_norm(made)
            if parameter.dtype == torch.bfloat16:
                dtype = usable_dtype("bfloat16", str(parameter.device))
                for part in (made.encoder, made.decoder):
                    if not part.half_precision:
                        raise ValueError(
                            f"{type(part).__name__} runs in float32 only, and the "
                            "model is in bfloat16: load it with dtype=torch.float32"
                        )
                    part.to(getattr(torch, dtype))
        return made

    def __deepcopy__(self, memo: dict[int, object]) -> FoldedCopy:
        """Follow the copy of the generator."""
        return FoldedCopy(copy.deepcopy(self._generator, memo), self._conf)

    def __reduce__(self) -> tuple[object, ...]:
        """Leave the copy behind when it is sent to another process."""
        return FoldedCopy, (self._generator, self._conf)


def _identity(x: Tensor) -> tuple[object, ...]:
    """Tell a tensor and its state from all others, without reading it."""
    version = None if x.is_inference() else x._version
    return x.data_ptr(), version, x.dtype, x.device
