"""Arrays of the page: bit rates, resyntheses, envelopes, spectra."""

import numpy as np
import torch
from tiny import CODEC
from torchaudio.functional import melscale_fbanks

from espnet_st.demo.analysis import (
    MEL_RANGE,
    N_MELS,
    bit_rate,
    envelope,
    log_mel,
    name_layers,
    resynthesize,
)


def test_bit_rates(codec, codec_24k):
    # 16 kHz, 50 frames of 8 entries; 24 kHz, 75 frames of 16 entries.
    assert CODEC["quantizer_conf"]["codebook_size"] == 8
    assert bit_rate(codec, 2) == 2 * 50 * 3
    assert bit_rate(codec_24k, 4) == 4 * 75 * 4


def test_layers_have_the_papers_names():
    assert name_layers(1, 1) == "layer 1"
    assert name_layers(2, 8) == "layers 2:8"


def test_all_prefixes_are_decoded_and_the_rest_alone(codec_24k):
    codes = codec_24k.encode(torch.randn(5000))
    found = list(resynthesize(codec_24k, codes, 5000))
    spans = [(one.first, one.last) for one in found]
    assert spans == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 4)]
    assert [one.n_layers for one in found] == [1, 2, 3, 4, 3]
    for one in found:
        assert one.wav.shape == (5000,)
    assert torch.equal(found[1].wav, codec_24k.decode(codes[:2])[:5000])
    assert torch.equal(found[-1].wav, codec_24k.decode(codes[1:], start=1)[:5000])


def test_a_codec_of_one_layer_has_no_rest(codec_24k):
    codes = codec_24k.encode(torch.randn(5000))[:1]
    assert len(list(resynthesize(codec_24k, codes, 5000))) == 1


def test_an_envelope_keeps_every_peak():
    wav = torch.randn(6000)
    parts = wav.numpy().reshape(100, 60)
    assert np.array_equal(envelope(wav, 100), [parts.min(1), parts.max(1)])
    assert np.array_equal(envelope(wav[:7], 100), [wav[:7].numpy()] * 2)


def test_a_tone_is_in_its_mel_channel():
    rate, hz = 24000, 3000.0
    time = torch.arange(rate) / rate
    wav = torch.sin(2 * torch.pi * hz * time)
    wav[: rate // 2] = 0.0
    mel = log_mel(wav, rate, 1000)
    assert mel.shape == (N_MELS, -(-rate // 256))
    assert mel.max() == 0.0 and mel.min() == -MEL_RANGE
    filters = melscale_fbanks(513, 0.0, rate / 2, N_MELS, rate)
    expected = int(filters[round(hz / (rate / 1024))].argmax())
    assert mel[:, 70].argmax() == expected
    # The first half is silent, and frames are where they sound.
    assert mel[:, :44].max() == -MEL_RANGE and mel[expected, 48] > -6


def test_a_long_spectrogram_is_thinned_and_the_loudest_kept():
    wav = torch.zeros(160000)
    wav[80000] = 1.0
    mel = log_mel(wav, 16000, 50)
    assert mel.shape == (N_MELS, 50)
    assert mel.max(axis=0).argmax() in (24, 25) and mel[:, 0].max() == -MEL_RANGE


def test_speech_shorter_than_a_window_has_a_spectrogram():
    assert log_mel(torch.randn(300), 16000, 100).shape == (N_MELS, 2)
