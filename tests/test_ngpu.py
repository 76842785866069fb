"""`--ngpu 1` where there is no GPU: a refusal that says so, from every command."""

import pytest
import torch

COMMANDS = {
    "codec_inference": ["--codec", "x", "--output_dir", "x", "--codes_scp", "x"],
    "codec_train": ["--output_dir", "x"],
    "slmtokbench": ["--systems", "x", "--output_dir", "x"],
    "teacher": [
        *("train", "--config", "x", "--train_dir", "x"),
        *("--valid_dir", "x", "--output_dir", "x"),
    ],
    "tokenize": ["--codec", "x", "--output_dir", "x", "--wav_scp", "x"],
    "tts_inference": [
        *("--uslm", "x", "--output_dir", "x"),
        *("--data_path_and_name_and_type", "x,text,text"),
    ],
    "tts_train": ["--output_dir", "x"],
    "voice_conversion": [
        *("--codec", "x", "--output_dir", "x"),
        *("--codes_scp", "x", "--utt2ref", "x"),
    ],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_refuses_before_it_starts(name, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    module = pytest.importorskip(f"espnet_st.bin.{name}")
    with pytest.raises(SystemExit, match="--ngpu 1: PyTorch .* finds no GPU here"):
        module.main([*COMMANDS[name], "--ngpu", "1"])
    assert not list(tmp_path.iterdir())


def test_a_gpu_that_is_there_is_taken(monkeypatch):
    from espnet_st.bin.options import pick_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [pick_device(0), pick_device(1)] == ["cpu", "cuda"]
