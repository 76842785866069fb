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
