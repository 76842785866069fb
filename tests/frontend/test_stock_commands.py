"""ESPnet's own commands with this plugin's frontends, through `python -m espnet_st`."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from stock_models import RECOGNISER, TEXTS, TRAINING

ROOT = Path(__file__).resolve().parents[2]
COMMON = TRAINING | {"token_type": "char", "batch_size": 2}


@pytest.fixture
def stock(tmp_path):
    """Run one of ESPnet's commands in a directory with four utterances."""
    draw = np.random.default_rng(0)
    (tmp_path / "tokens").write_text("<blank>\n<unk>\nA\nB\n<space>\n<sos/eos>\n")
    with (tmp_path / "wav.scp").open("w") as scp, (tmp_path / "text").open("w") as text:
        for size, (key, words) in enumerate(TEXTS.items()):
            path = tmp_path / f"{key}.wav"
            soundfile.write(path, draw.uniform(-0.3, 0.3, 8000 + 999 * size), 16000)
            scp.write(f"{key} {path}\n")
            text.write(f"{key} {words}\n")
    (tmp_path / "shape").write_text("".join(f"{key} 8000\n" for key in TEXTS))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def run(command, *options):
        done = subprocess.run(
            [sys.executable, "-m", "espnet_st", "-m", f"espnet2.bin.{command}"]
            + [*map(str, options)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]

    return run


def train(stock, tmp_path, command, config, text="text,text,text"):
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(COMMON | config))
    options = ["--config", "train.yaml", "--output_dir", "exp", "--ngpu", 0]
    options += ["--token_list", "tokens"]
    for part in ("train", "valid"):
        options += [f"--{part}_shape_file", "shape"]
        for data in ("wav.scp,speech,sound", text):
            options += [f"--{part}_data_path_and_name_and_type", data]
    stock(command, *options)
    return torch.load(tmp_path / "exp/latest.pth", weights_only=True)


def test_asr_trains_and_recognises_with_speech_tokens(stock, tmp_path, exp):
    pytest.importorskip("editdistance", reason="ESPnet's ASR training needs it")
    config = {
        "frontend": "speechtokenizer",
        "frontend_conf": {
            "codec": str(exp),
            "fs": "16k",  # as ESPnet's recipe passes it
            "layers": "1-3",
            "vectors": "learnt",
            "weighted": True,
        },
        "specaug": None,
        "normalize": None,
        **RECOGNISER,
    }
    state = train(stock, tmp_path, "asr_train", config)
    ours = sorted(key for key in state if key.startswith("frontend."))
    assert ours == ["frontend.tables", "frontend.weights"]
    stock(
        "asr_inference",
        *("--asr_train_config", "exp/config.yaml", "--asr_model_file"),
        *("exp/latest.pth", "--output_dir", "decode", "--beam_size", 2, "--nbest", 1),
        *("--data_path_and_name_and_type", "wav.scp,speech,sound"),
    )
    lines = (tmp_path / "decode/1best_recog/token").read_text().splitlines()
    assert [line.split()[0] for line in lines] == list(TEXTS)


def test_uslm_trains_on_waveforms(stock, tmp_path, exp, codec):
    config = {
        "tts": "uslm",
        "tts_conf": {
            "codebook_size": codec.codebook_size,
            "d_model": 8,
            "n_heads": 2,
            "ar_layers": 1,
            "nar_layers": 1,
            "ffn_size": 8,
        },
        "feats_extract": "speechtokenizer",
        "feats_extract_conf": {"codec": str(exp)},
        "normalize": None,
        "cleaner": None,
        "g2p": None,
    }
    state = train(stock, tmp_path, "tts_train", config)
    assert all(key.startswith("tts.") for key in state)
    saved = yaml.safe_load((tmp_path / "exp/config.yaml").read_text())
    assert saved["feats_extract"] == "speechtokenizer"
