"""Convolutions and activations that take a whole signal, or one that comes in pieces.

Every layer takes `(x (B, C, T), flow)`. Without a flow, `x` is a batch of whole signals
of one length, as in training; with one it is the next piece of a signal, see
`pieces.py`. The LSTM is in `recurrent.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from espnet_st.codec.pieces import Delay, Flow, Padding, Trim


class Conv1d(nn.Module):
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

    def forward(self, x: Tensor, flow: Flow | None = None) -> Tensor:
        """Convolve (B, C, T)."""
        x = self.padding(x, flow)
        if flow is None:
            return self.conv(x)
        if x.shape[-1] == 0:
            return x.new_zeros(x.shape[0], self.conv.out_channels, 0)
        if self.conv.kernel_size == (1,):
            return linear(x.mT, self.conv.weight[:, :, 0], self.conv.bias).mT
        half = x.dtype == torch.bfloat16
        # Strided ones of few channels come out wrong from AMX (pytorch issue 169688).
        wrong = half and self.padding.stride > 1 and x.shape[1] < 64
        if wrong or (not half and x.numel() < self.conv.weight.numel()):
            return self._by_taps(x)
        # In two dimensions torch keeps a layout with a frame's channels side by side.
        conv = self.conv
        stride, dilation = (1, *conv.stride), (1, *conv.dilation)
        x, weight = x[:, :, None], conv.weight[:, :, None]
        return conv2d(x, weight, conv.bias, stride, dilation=dilation)[:, :, 0]

    def _by_taps(self, x: Tensor) -> Tensor:
        """Convolve as a sum over taps: faster where the weights outweigh the frames."""
        (stride,), (dilation,) = self.conv.stride, self.conv.dilation
        frames = (x.shape[-1] - self.padding.span) // stride + 1
        rows = x[0].t()
        out = self.conv.bias.repeat(frames, 1)
        for tap, weight in enumerate(self.conv.weight.unbind(2)):
            start = tap * dilation
            stop = start + (frames - 1) * stride + 1
            out.addmm_(rows[start:stop:stride], weight.t())
        return out.t()[None]


class ConvTranspose1d(nn.Module):
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

    def forward(self, x: Tensor, flow: Flow | None = None) -> Tensor:
        """Upsample (B, C, T)."""
        left = self.stride - self.right
        if flow is None:
            return self.conv(x)[..., left : left + x.shape[-1] * self.stride]
        x = self.padding(x, flow)
        if x.shape[-1] == 0:
            return x.new_zeros(x.shape[0], self.conv.out_channels, 0)
        # Each input frame and the one before it make `stride` frames.
        weight = self.conv.weight.transpose(1, 2).flatten(1)  # (C, 2 * stride * C')
        first, second = weight.chunk(2, 1)
        rows, bias = x[0].t(), self.conv.bias.repeat(self.stride)
        out = torch.addmm(bias, rows[1:], first).addmm_(rows[:-1], second)
        out = out.view(-1, self.conv.out_channels).t()[None]
        right = self.right if self.padding.right else 0
        return flow.state(self, lambda: Trim(left, right))(out, flow.last)


def add_delayed(owner: nn.Module, x: Tensor, late: Tensor, flow: Flow | None) -> Tensor:
    """`x` + `late`, two branches of the layer `owner`, of which one lags behind."""
    if flow is not None:
        x = flow.state(owner, Delay)(x, late.shape[-1])
    return x + late


class Snake(nn.Module):
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
    """The activation called `elu` or `snake`; `inplace` if nobody else needs its input.

    Raises:
        ValueError: If the name is neither.
    """
    if name == "elu":
        return nn.ELU(inplace=inplace)
    if name == "snake":
        return Snake(channels)
    raise ValueError(f"activation {name!r} is unknown; choose 'elu' or 'snake'")


def fold_weight_norm(model: nn.Module) -> None:
    """Replace all normalised weights of `model` by their values, for inference."""
    for module in list(model.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
        if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
            taps = module.weight.data.transpose(1, 2).contiguous()  # as it is read
            module.weight.data = taps.transpose(1, 2)
