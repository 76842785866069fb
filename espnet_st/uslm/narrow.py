"""Weights for decoding, which reads all of them at every step: as they are, or narrow.

Only linear layers of the transformers are replaced. What flows between them, attention,
norms, embeddings and the last projection stay in float32.
"""

from math import gcd

import torch
import torch.nn.functional as F
from torch import nn

from espnet_st.uslm.transformer import SelfAttention, Transformer

DTYPES = ("float32", "bfloat16", "int8")


class SlabLinear(nn.Module):
    """A linear layer that is quick for one position of each of several rows.

    Rows are columns then, and each slab of the weights is multiplied while it is at
    hand. The parameters are those of the layer that it replaces.
    """

    SLABS = 32
    MOST_ROWS = 32

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.slabs = gcd(self.SLABS, len(self.weight))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Project (..., D) to (..., D')."""
        if x.dim() != 3 or x.shape[1] > 1 or not 1 < len(x) <= self.MOST_ROWS:
            return F.linear(x, self.weight, self.bias)
        out = torch.baddbmm(
            self.bias.view(self.slabs, -1, 1),
            self.weight.view(self.slabs, -1, x.shape[2]),
            x[:, 0].t().contiguous().expand(self.slabs, -1, -1),
        )
        return out.view(-1, len(x)).t().contiguous().unsqueeze(1)


class HalfLinear(nn.Module):
    """A linear layer that multiplies in bfloat16, between float32."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.weight = nn.Parameter(linear.weight.bfloat16(), requires_grad=False)
        self.bias = nn.Parameter(linear.bias.bfloat16(), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Project (..., D) to (..., D')."""
        return F.linear(x.bfloat16(), self.weight, self.bias).to(x.dtype)


class LayeredAttention(SelfAttention):
    """Self-attention whose input projection is a layer, and so can be replaced."""

    def __init__(self, attention: SelfAttention):
        nn.Module.__init__(self)
        self.n_heads, self.dropout = attention.n_heads, attention.dropout
        size = attention.in_proj_weight.shape
        self.in_proj = nn.Linear(*reversed(size), device="meta")
        self.in_proj.weight = attention.in_proj_weight
        self.in_proj.bias = attention.in_proj_bias
        self.out_proj = attention.out_proj
        self.train(attention.training)

    def joint(self, x: torch.Tensor) -> torch.Tensor:
        """As `SelfAttention.joint`."""
        return self.in_proj(x)


def narrow(model: nn.Module, dtype: str) -> None:
    """Prepare the weights of all transformers in a model, in place, for good.

    Args:
        model: A model without gradients.
        dtype: One of `DTYPES`. `float32` leaves them as they are, but on a CPU steps
            of several rows are quicker. `bfloat16` halves the weights. `int8` takes a
            quarter, on a CPU only (`torch.ao`, dynamic quantization by output
            channel); since the vectors of a batch share one scale then, codes may
            differ with the company they are drawn in.

    Raises:
        ValueError: If there is no such type, or not where the model is.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}: give one of {', '.join(DTYPES)}")
    device = next(model.parameters()).device.type
    if dtype == "int8" and device != "cpu":
        raise ValueError(f"dtype int8 runs on a CPU, not on {device}: give bfloat16")
    if dtype == "float32" and device != "cpu":
        return
    for module in list(model.modules()):
        if isinstance(module, Transformer):
            for layer in module.layers:
                layer.self_attn = LayeredAttention(layer.self_attn)
            if dtype == "int8":
                _quantize(module)
            else:
                _replace(module, SlabLinear if dtype == "float32" else HalfLinear)


def _replace(module, kind):
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, kind(child))
        else:
            _replace(child, kind)


def _quantize(module):
    from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

    quantize_dynamic(module, {nn.Linear: per_channel_dynamic_qconfig}, inplace=True)
