"""A pre-norm transformer with a key-value cache and adaptive layer norm.

Nothing here knows of text or codes. Parameter names follow the USLM release
(`layers.0.self_attn.in_proj_weight`, `norm1.project_layer.weight`, ...).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from espnet_st.uslm.kv_cache import KVCache
from espnet_st.uslm.positions import apply_rope


class AdaptiveLayerNorm(nn.Module):
    """Layer norm whose gain and offset come from a condition.

    `w * LN(x) + b` with `w, b` projected from the condition (USLM release; VALL-E,
    section 4.2.2, eq. 6).
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.project_layer = nn.Linear(d_model, 2 * d_model)
        self.norm = nn.LayerNorm(d_model)
        with torch.no_grad():
            # Start as a plain norm: random gains of random sign slow learning down.
            self.project_layer.weight.mul_(0.1)
            self.project_layer.bias[:d_model] = 1.0
            self.project_layer.bias[d_model:] = 0.0

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Normalize x (B, T, D) under conditions (B, D)."""
        gain, offset = self.project_layer(condition).unsqueeze(1).chunk(2, dim=-1)
        return gain * self.norm(x) + offset


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself."""

    def __init__(self, d_model: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d_model, d_model))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * d_model))
        self.out_proj = nn.Linear(d_model, d_model)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def project_joint(self, x: Tensor) -> Tensor:
        """Project to queries, keys and values at once: (B, T, 3 * D)."""
        return F.linear(x, self.in_proj_weight, self.in_proj_bias)

    def project(self, x: Tensor, rope: Tensor | None) -> Tensor:
        """Project to queries, keys and values (3, B, H, T, E), with rotary angles."""
        batch, size, _ = x.shape
        qkv = self.project_joint(x).view(batch, size, 3, self.n_heads, -1)
        qkv = qkv.permute(2, 0, 3, 1, 4)
        if rope is None:
            return qkv
        return torch.stack([apply_rope(qkv[0], rope), apply_rope(qkv[1], rope), qkv[2]])

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        rope: Tensor | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """Attend from a sequence to itself, and to what the cache holds.

        Args:
            x: Input vectors (B, T, D).
            mask: As of `Transformer.forward`.
            rope: See there.
            cache: See there.
            layer: Index of this layer in the cache.

        Returns:
            Output vectors (B, T, D).
        """
        queries, keys, values = self.project(x, rope)
        if cache is not None:
            keys, values = cache.append(layer, keys, values)
        if mask is not None and mask.is_floating_point():
            mask = mask.to(queries.dtype)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, dropout_p=dropout
        )
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class TransformerLayer(nn.Module):
    """Pre-norm attention and feed-forward block, both residual."""

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        ffn_size: int,
        dropout: float,
        adaptive: bool,
    ) -> None:
        super().__init__()
        norm = AdaptiveLayerNorm if adaptive else nn.LayerNorm
        self.self_attn = SelfAttention(d_model, n_heads, dropout)
        self.linear1 = nn.Linear(d_model, ffn_size)
        self.linear2 = nn.Linear(ffn_size, d_model)
        self.norm1 = norm(d_model)
        self.norm2 = norm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        rope: Tensor | None,
        condition: tuple[Tensor, ...],
        cache: KVCache | None,
        layer: int,
    ) -> Tensor:
        """Run one block.

        Args:
            x: Input vectors (B, T, D).
            mask: As of `Transformer.forward`.
            rope: See there.
            condition: Condition of the norms (B, D), or nothing for plain norms.
            cache: See there.
            layer: Index of this layer in the cache.

        Returns:
            Output vectors (B, T, D).
        """
        attended = self.self_attn(
            self.norm1(x, *condition), mask, rope=rope, cache=cache, layer=layer
        )
        x = x + self.dropout(attended)
        hidden = self.dropout(F.relu(self.linear1(self.norm2(x, *condition))))
        return x + self.dropout(self.linear2(hidden))


class Transformer(nn.Module):
    """A stack of layers and a last norm.

    Args:
        d_model: Width D.
        n_heads: Attention heads; divides D.
        n_layers: Number of layers.
        ffn_size: Width of the feed-forward part.
        dropout: Dropout rate everywhere.
        adaptive: Whether norms take a condition (`AdaptiveLayerNorm`).
        checkpointing: In training, keep only the input of each layer for the backward
            pass, which computes the rest again.

    Raises:
        ValueError: If the heads do not divide the width evenly.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        n_layers: int,
        ffn_size: int,
        dropout: float = 0.0,
        adaptive: bool = False,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if d_model % (2 * n_heads):
            raise ValueError(
                f"d_model {d_model} with n_heads {n_heads}: each head needs an even "
                "number of channels; choose d_model as a multiple of 2 * n_heads"
            )
        self.head_size = d_model // n_heads
        self.checkpointing = checkpointing
        self.layers = nn.ModuleList(
            TransformerLayer(d_model, n_heads, ffn_size, dropout, adaptive)
            for _ in range(n_layers)
        )
        self.norm = (AdaptiveLayerNorm if adaptive else nn.LayerNorm)(d_model)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        rope: Tensor | None = None,
        condition: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Run the stack.

        Args:
            x: Input vectors (B, T, D).
            mask: What a query may see, boolean, or a number added to its score;
                broadcasts to (B, H, T, L), L being T and what the cache held.
            rope: Rotary positions of x, from `positions.rope_angles`.
            condition: Vectors of the adaptive norms (B, D).
            cache: Keys and values of earlier positions; grows by T.

        Returns:
            Output vectors (B, T, D).
        """
        conditions = () if condition is None else (condition,)
        recompute = self.checkpointing and self.training and cache is None
        for index, layer in enumerate(self.layers):
            inputs = x, mask, rope, conditions, cache, index
            if recompute:
                x = checkpoint(layer, *inputs, use_reentrant=False)
            else:
                x = layer(*inputs)
        if cache is not None:
            cache.advance(x.shape[1])
        return self.norm(x, *conditions)
