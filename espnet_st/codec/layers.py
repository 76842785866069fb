"""Convolutions and activations: of whole signals in training, of chunks in inference.

`forward` takes a batch (B, C, T) of whole signals of one length, `step` the next chunk
of one signal; see `chunks.py`. The LSTM is in `lstm.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear
from torch.nn.utils import parametrize, remove_weight_norm
from torch.nn.utils.parametrizations import weight_norm

from espnet_st.codec.chunks import Chunk, FrameLayer, StreamLayer, StreamState
from espnet_st.codec.padding import Padding, Trim


class Conv1d(nn.Module, StreamLayer):
    """Weight-normalised convolution with padding: T frames become ceil(T / stride).

    The signal is mirrored at its ends. A causal convolution has zeros there, because
    the mirror image of its start would lie in the future.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Taps.
        stride: Frames per output frame.
        dilation: Distance between taps.
        causal: Whether an output frame depends on no frame after its own.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
        causal: bool = False,
    ):
        super().__init__()
        self.conv = weight_norm(
            nn.Conv1d(in_channels, out_channels, kernel_size, stride, dilation=dilation)
        )
        span = (kernel_size - 1) * dilation + 1
        right = 0 if causal else (span - stride) // 2
        left = span - stride - right
        self.padding = Padding(span, stride, left, right, reflect=not causal)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve whole signals (B, C, T)."""
        return self.conv(self.padding(x))

    def step(self, chunk: Chunk, state: StreamState) -> Chunk:
        """Convolve the next chunk; see `StreamLayer.step`."""
        return self.padding.step(chunk, state).map(self.convolve_padded)

    def convolve_padded(self, x: Tensor) -> Tensor:
        """Convolve a chunk (1, C, t) that has its padding."""
        conv = self.conv
        if x.shape[-1] == 0:
            return x.new_zeros(1, conv.out_channels, 0)
        # Strided ones of few channels come out wrong from AMX (pytorch issue 169688).
        half = x.dtype == torch.bfloat16
        wrong = half and self.padding.stride > 1 and x.shape[1] < 64
        if wrong or conv.kernel_size == (1,) or x.numel() < conv.weight.numel():
            return self._by_rows(x)
        # In two dimensions torch keeps a layout with a frame's channels side by side.
        stride, dilation = (1, *conv.stride), (1, *conv.dilation)
        x, weight = x[:, :, None], conv.weight[:, :, None]
        return conv2d(x, weight, conv.bias, stride, dilation=dilation)[:, :, 0]

    def _by_rows(self, x: Tensor) -> Tensor:
        """Convolve by one matrix product, faster where weights outweigh frames."""
        span, stride = self.padding.span, self.padding.stride
        taps = x[0].t().unfold(0, span, stride)[..., :: self.conv.dilation[0]]
        rows = linear(
            taps.mT.flatten(1), self.conv.weight.mT.flatten(1), self.conv.bias
        )
        return rows.t()[None]


def pointwise_sum(first: Conv1d, x: Tensor, second: Conv1d, y: Tensor) -> Tensor:
    """Compute `first(x) + second(y)` of chunks (1, C, t), both of one tap."""
    bias = first.conv.bias + second.conv.bias
    rows = torch.addmm(bias, x[0].t(), first.conv.weight[:, :, 0].t())
    return rows.addmm_(y[0].t(), second.conv.weight[:, :, 0].t()).t()[None]


class ConvTranspose1d(nn.Module, StreamLayer):
    """Weight-normalised transposed convolution: T frames become T * stride.

    The kernel has 2 * stride taps, so that an output frame has two input frames.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Output frames per input frame.
        causal: Whether the two are the frame itself and the one before.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, causal: bool = False
    ):
        super().__init__()
        self.conv = weight_norm(
            nn.ConvTranspose1d(in_channels, out_channels, 2 * stride, stride)
        )
        self.stride = stride
        self.right = stride if causal else stride // 2
        self.padding = Padding(2, 1, 1, 0 if causal else 1, reflect=False)

    def forward(self, x: Tensor) -> Tensor:
        """Upsample whole signals (B, C, T)."""
        left = self.stride - self.right
        return self.conv(x)[..., left : left + x.shape[-1] * self.stride]

    def step(self, chunk: Chunk, state: StreamState) -> Chunk:
        """Upsample the next chunk; see `StreamLayer.step`."""
        right = self.right if self.padding.right else 0
        trim = state.get(self, lambda: Trim(self.stride - self.right, right))
        return trim.step(self.padding.step(chunk, state).map(self._upsample_padded))

    def _upsample_padded(self, x: Tensor) -> Tensor:
        """Turn each frame of a chunk and the one before it into `stride` frames."""
        if x.shape[-1] == 0:
            return x.new_zeros(x.shape[0], self.conv.out_channels, 0)
        weight = self.conv.weight.transpose(1, 2).flatten(1)  # (C, 2 * stride * C')
        first, second = weight.chunk(2, 1)
        rows, bias = x[0].t(), self.conv.bias.repeat(self.stride)
        out = torch.addmm(bias, rows[1:], first).addmm_(rows[:-1], second)
        return out.view(-1, self.conv.out_channels).t()[None]


class Snake(nn.Module, FrameLayer):
    """x + sin(alpha x)^2 / alpha with a learnt alpha per channel (Ziyin et al. 2020).

    Args:
        channels: Channels of the input.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Apply to (B, C, T)."""
        return x + torch.sin(self.alpha * x).square() / (self.alpha + 1e-9)


def activation(name: str, channels: int, inplace: bool = False) -> nn.Module:
    """Make an activation.

    Args:
        name: `elu` or `snake`.
        channels: Channels of its input.
        inplace: Whether it may overwrite its input.

    Raises:
        ValueError: If the name is neither.
    """
    if name == "elu":
        return nn.ELU(inplace=inplace)
    if name == "snake":
        return Snake(channels)
    raise ValueError(f"activation {name!r} is unknown; choose 'elu' or 'snake'")


def fold_weight_norm(model: nn.Module) -> None:
    """Replace all normalised weights of `model` by their values, for inference.

    Unlike before, the model can be pickled then.
    """
    for module in list(model.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
            # Torch leaves behind a hook for older names, which cannot be pickled.
            module._load_state_dict_pre_hooks.clear()
        if hasattr(module, "weight_g"):  # in the older way, as ESPnet's modules have it
            remove_weight_norm(module)
        if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
            taps = module.weight.data.transpose(1, 2).contiguous()  # as it is read
            module.weight.data = taps.transpose(1, 2)
