"""Codes as features of ESPnet's TTS."""

import pytest
import torch

from espnet_st.codes import from_feats
from espnet_st.frontend.tts import TTSFeatures


def test_codes_are_those_of_the_utterance_alone(exp, codec):
    torch.manual_seed(2)
    wavs = [0.3 * torch.randn(size) for size in (5000, 1, 3200)]
    lengths = torch.tensor([len(wav) for wav in wavs])
    padded = torch.randn(3, 6000)
    for row, wav in zip(padded, wavs):
        row[: len(wav)] = wav
    extract = TTSFeatures(exp)
    feats, frames = extract(padded, lengths)
    assert feats.shape == (3, 16, extract.output_size()) and not extract.state_dict()
    assert frames.tolist() == [16, 1, 10]
    codes = from_feats(feats)  # (n_q, B, T)
    for row, (wav, size) in enumerate(zip(wavs, frames)):
        assert torch.equal(codes[:, row, :size], codec.encode(wav))
        assert not feats[row, size:].any()


def test_an_empty_utterance_is_refused(exp):
    with pytest.raises(ValueError, match="empty"):
        TTSFeatures(exp)(torch.zeros(2, 8), torch.tensor([8, 0]))


def test_another_rate_than_the_codecs_is_resampled(exp, codec):
    wav = 0.3 * torch.randn(4000, generator=torch.Generator().manual_seed(4))
    expected = codec.encode(wav, 8000)
    for fs in (8000, "8000", "8k"):
        feats, frames = TTSFeatures(exp, fs)(wav[None])  # ESPnet's call for one voice
        assert frames.tolist() == [25]
        assert torch.equal(from_feats(feats)[:, 0], expected)


@pytest.mark.parametrize("fs", [0, -16000, "fast", ""])
def test_what_is_no_rate_is_refused(exp, fs):
    with pytest.raises(ValueError, match="expected the waveforms' rate in Hz"):
        TTSFeatures(exp, fs)


def test_a_recipes_frames_are_those_of_the_codec(exp):
    TTSFeatures(exp, hop_length=320, n_fft=1024, win_length=None)
    TTSFeatures(exp, fs="8k", hop_length=160)
    with pytest.raises(ValueError, match="256 .*320 samples at 16000 Hz; give that"):
        TTSFeatures(exp, hop_length=256)
    with pytest.raises(ValueError, match="320 .*480 samples at 24000 Hz"):
        TTSFeatures(exp, fs=24000, hop_length=320)
