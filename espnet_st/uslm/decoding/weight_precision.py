"""Precision of the weights: decoding reads all of them at every step.

Only linear layers of the transformers are replaced. Activations between them,
attention, norms, embeddings and the last projection stay in float32.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from espnet_st.kernels.columns import multiply_rows
from espnet_st.kernels.integers import ROWS, WEIGHTS, multiply_integers, to_integers
from espnet_st.kernels.processor import usable_dtype
from espnet_st.uslm.transformer import SelfAttention, Transformer

DTYPES = ("float32", "bfloat16", "int8")
"""Types of the weights."""


class SlabLinear(nn.Module):
    """A linear layer that is quick for one position of each of several rows.

    The parameters are those of the layer that it replaces.
    """

    MOST_ROWS = 32

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Project (..., D) to (..., D')."""
        if x.dim() != 3 or x.shape[1] > 1 or not 1 < len(x) <= self.MOST_ROWS:
            return F.linear(x, self.weight, self.bias)
        return multiply_rows(self.weight, x[:, 0]).add_(self.bias)[:, None]


class HalfLinear(nn.Module):
    """A linear layer that multiplies in bfloat16; inputs and outputs are float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.bfloat16(), requires_grad=False)
        self.bias = nn.Parameter(linear.bias.bfloat16(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Project (..., D) to (..., D')."""
        return F.linear(x.bfloat16(), self.weight, self.bias).to(x.dtype)


class Int8Linear(nn.Module):
    """A linear layer of integers: weights have seven bits, inputs eight.

    Each input row has a scale of its own, so that its output depends on no other row.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scale = to_integers(linear.weight, WEIGHTS)
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale[:, 0])
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Project (..., D) to (..., D')."""
        rows, scale = to_integers(x.flatten(0, -2), ROWS)
        out = multiply_integers(rows, self.weight).mul_(scale).mul_(self.scale)
        return out.add_(self.bias).unflatten(0, x.shape[:-1])


class LayeredAttention(SelfAttention):
    """Self-attention whose input projection is a layer, and so can be replaced."""

    def __init__(self, attention: SelfAttention) -> None:
        nn.Module.__init__(self)
        self.n_heads, self.dropout = attention.n_heads, attention.dropout
        outputs, inputs = attention.in_proj_weight.shape
        self.in_proj = nn.Linear(inputs, outputs, device="meta")
        self.in_proj.weight = attention.in_proj_weight
        self.in_proj.bias = attention.in_proj_bias
        self.out_proj = attention.out_proj
        self.train(attention.training)

    def project_joint(self, x: Tensor) -> Tensor:
        """Project to queries, keys and values at once: (B, T, 3 * D)."""
        return self.in_proj(x)


KINDS = {"float32": SlabLinear, "bfloat16": HalfLinear, "int8": Int8Linear}
"""What takes the place of linear layers on a CPU."""


def set_weight_precision(model: nn.Module, dtype: str) -> None:
    """Convert the weights of all transformers in a model, in place, for good.

    Args:
        model: A model without gradients.
        dtype: One of `DTYPES`, or `auto`, see `kernels.processor.usable_dtype`.
            `float32` keeps the weights, but on a CPU steps of several rows are faster.
            `bfloat16` halves them; a CPU without instructions for it keeps float32,
            with a warning. `int8` quarters them, on a CPU only.

    Raises:
        ValueError: If there is no such type, or not on the model's device.
    """
    if dtype not in (*DTYPES, "auto"):
        raise ValueError(f"dtype is {dtype!r}: give auto or one of {', '.join(DTYPES)}")
    device = next(model.parameters()).device.type
    if dtype == "int8" and device != "cpu":
        raise ValueError(f"dtype int8 runs on a CPU, not on {device}: give bfloat16")
    dtype = usable_dtype(dtype, device)
    if dtype == "float32" and device != "cpu":
        return
    for module in list(model.modules()):
        if isinstance(module, Transformer):
            for layer in module.layers:
                attention = layer.self_attn
                assert isinstance(attention, SelfAttention)
                layer.self_attn = LayeredAttention(attention)
            _replace(module, KINDS[dtype])


def _replace(module: nn.Module, kind: type[nn.Module]) -> None:
    """Replace all linear layers of a module by layers of another kind."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, kind(child))
        else:
            _replace(child, kind)
