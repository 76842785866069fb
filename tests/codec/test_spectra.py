"""Spectra and their gradients equal what PyTorch's own functions give."""

import pytest
import torch

from espnet_st.codec.spectra import polar_spectrum, stft_magnitude


def magnitude_by_torch(wav, window, hop_length):
    frames = wav.unfold(-1, len(window), hop_length)
    return torch.fft.rfft(frames * window).abs()


@pytest.mark.parametrize("size, hop_length", [(16, 4), (16, 5), (15, 5), (8, 16)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_magnitudes_and_gradients_equal_those_of_rfft(size, hop_length, dtype):
    torch.manual_seed(0)
    wav = torch.randn(2, 93, dtype=torch.float64)
    window = torch.hann_window(size, dtype=torch.float64)
    weight = torch.randn_like(magnitude_by_torch(wav, window, hop_length))
    known = wav.clone().requires_grad_()
    expected = magnitude_by_torch(known, window, hop_length)
    (expected * weight).sum().backward()
    ours = wav.to(dtype).requires_grad_()
    found = stft_magnitude(ours, window.to(dtype), hop_length)
    (found * weight.to(dtype)).sum().backward()
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(
        ours.grad.double(), known.grad, rtol=tolerance, atol=tolerance
    )


def test_silence_has_no_gradient():
    wav = torch.zeros(1, 64, requires_grad=True)
    stft_magnitude(wav, torch.hann_window(16), 4).sum().backward()
    assert torch.equal(wav.grad, torch.zeros_like(wav))


def test_polar_spectrum_equals_torch_polar_and_its_gradients():
    torch.manual_seed(0)
    shape, double = (2, 3, 9), torch.float64
    weight = torch.randn(shape, dtype=torch.complex128)
    inputs = [torch.randn(shape, dtype=double, requires_grad=True) for _ in range(2)]

    def run(spectrum):
        loss = (spectrum * weight).real.sum()
        return [spectrum.detach(), *torch.autograd.grad(loss, inputs)]

    log_magnitude, phase = inputs
    ours = run(polar_spectrum(log_magnitude, phase))
    known = run(torch.polar(log_magnitude.exp(), phase))
    assert torch.equal(ours[0], known[0])
    torch.testing.assert_close(ours, known, rtol=1e-12, atol=1e-12)
