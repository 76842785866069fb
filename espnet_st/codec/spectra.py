"""Spectra with gradients that a CPU computes fast: magnitudes, and magnitude and phase.

The values are those of `torch.fft.rfft(...).abs()` and `torch.polar`. Autograd spells
their gradients out in complex numbers, a transform of twice the length among them,
which takes longer than all the rest of a spectral loss.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad


def stft_magnitude(wav: Tensor, window: Tensor, hop_length: int) -> Tensor:
    """Compute magnitudes (B, T, n_fft // 2 + 1) of waveforms' windowed frames.

    Where a magnitude is zero, its gradient is too.

    Args:
        wav: Waveforms (B, N), N at least the window's length.
        window: (n_fft,); it gets no gradient.
        hop_length: Samples from one frame to the next.
    """
    return _Magnitude.apply(wav, window, hop_length)


def polar_spectrum(log_magnitude: Tensor, phase: Tensor) -> Tensor:
    """Make complex numbers from the logarithm of their magnitude, and their phase."""
    return _LogPolar.apply(log_magnitude, phase)


class _Magnitude(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, wav: Tensor, window: Tensor, hop_length: int) -> Tensor:
        frames = wav.unfold(-1, len(window), hop_length)
        spectrum = torch.fft.rfft(frames * window)
        real, imaginary = spectrum.real, spectrum.imag
        magnitude = (real * real).addcmul_(imaginary, imaginary).sqrt_()
        ctx.save_for_backward(spectrum, magnitude, window)
        ctx.samples, ctx.hop_length = wav.shape[-1], hop_length
        return magnitude

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        spectrum, magnitude, window = ctx.saved_tensors
        size = len(window)
        # A frame is the real part of the sum over its bins; `irfft` adds to all bins
        # but the first and, of an even size, the last their mirror images.
        scale = grad / magnitude.clamp_min(1e-20)
        scale[..., 1 : (size + 1) // 2] *= 0.5
        frames = torch.fft.irfft(spectrum * scale, n=size, norm="forward") * window
        return _overlap_add(frames, ctx.hop_length, ctx.samples), None, None


class _LogPolar(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, log_magnitude: Tensor, phase: Tensor) -> Tensor:
        spectrum = torch.polar(log_magnitude.exp(), phase)
        ctx.save_for_backward(spectrum)
        return spectrum

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        # d exp(l + i p) is exp(l + i p) (dl + i dp).
        (spectrum,) = ctx.saved_tensors
        product = spectrum.conj() * grad
        return product.real, product.imag


def _overlap_add(frames: Tensor, hop_length: int, samples: int) -> Tensor:
    """Add up frames (B, T, n), each `hop_length` after the last: (B, samples)."""
    batch, count, size = frames.shape
    hops = -(-size // hop_length)
    out = frames.new_zeros(batch, count + hops - 1, hop_length)
    for hop in range(hops):
        part = frames[..., hop * hop_length : (hop + 1) * hop_length]
        out[:, hop : hop + count, : part.shape[-1]] += part
    out = out.flatten(1)[:, :samples]
    return pad(out, (0, samples - out.shape[1]))
