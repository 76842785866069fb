"""The wav files that the page plays."""

import torch

from espnet_st.data.audio import load_audio
from espnet_st.demo.wav_store import WavStore


def test_what_is_added_can_be_read(tmp_path):
    wav = torch.tensor([0.0, 0.5, -0.5, 1.5])
    path = WavStore(tmp_path).add(wav, 24000)
    assert torch.allclose(load_audio(path, 24000), wav.clamp(max=1.0), atol=1e-4)


def test_only_the_newest_files_stay(tmp_path):
    store = WavStore(tmp_path, keep=3)
    paths = [store.add(torch.zeros(10), 16000) for _ in range(5)]
    assert len(set(paths)) == 5
    assert sorted(tmp_path.iterdir()) == sorted(paths[2:])
