"""Stock multi-GPU training of ESPnet through `python -m espnet_st`, on CPUs."""

import subprocess
import sys

import pytest
from replay import (
    CODEC_TRAINING,
    TRAINING,
    USLM_CONF,
    environment,
    make_corpus,
    words,
    write_yaml,
)
from runs import checkpoint

# As espnet2.bin.*_train, but its workers take the CPU. Processes that are spawned run
# this file too.
COMMAND = """
from pathlib import Path

from espnet2.tasks.{module} import {task} as Task

work = Task.main_worker.__func__


def main_worker(cls, args):
    args.ngpu = 0
    Path(f"rank{{args.dist_rank}}").touch()
    return work(cls, args)


Task.main_worker = classmethod(main_worker)
if __name__ == "__main__":
    Task.main()
"""
SIZE = {"n_filters": 2, "strides": [4, 8, 10], "lstm_layers": 1}
SEANET = {
    "encoder": "seanet",
    "decoder": "seanet",
    "encoder_conf": SIZE,
    "decoder_conf": SIZE,
}
TRANSFORMER = {"attention_heads": 2, "linear_units": 8, "num_blocks": 1}
TEXT = {"token_type": "char", "token_list": "tokens", "cleaner": None, "g2p": None}
TASKS = {"gan_codec": "GANCodecTask", "tts": "TTSTask", "asr": "ASRTask"}
LOSS = {"gan_codec": "generator_loss", "tts": "loss", "asr": "loss"}


def config_of(module, codec):
    """Options of a training; the codec is for models that take a trained one."""
    if module == "gan_codec":
        conf = CODEC_TRAINING["codec_conf"] | SEANET
        return CODEC_TRAINING | {"codec_conf": conf}
    if module == "tts":
        return TRAINING | {
            **TEXT,
            "tts": "uslm",
            "tts_conf": USLM_CONF,
            "feats_extract": "speechtokenizer",
            "feats_extract_conf": {"codec": codec},
            "normalize": None,
        }
    return TRAINING | {
        **TEXT,
        "frontend": "speechtokenizer",
        "frontend_conf": {"codec": codec, "layers": "1-3", "vectors": "learnt"},
        "specaug": None,
        "normalize": None,
        "encoder": "transformer",
        "encoder_conf": TRANSFORMER | {"output_size": 8, "input_layer": "linear"},
        "decoder": "transformer",
        "decoder_conf": TRANSFORMER,
        "model_conf": {"ctc_weight": 0.5},
    }


SLOW = [pytest.param(module, marks=pytest.mark.smoke) for module in ("tts", "asr")]


@pytest.mark.parametrize("module", ["gan_codec", *SLOW])
def test_spawned_processes_of_the_stock_task_know_our_classes(module, tmp_path, exp):
    if module == "asr":
        pytest.importorskip("editdistance", reason="ESPnet's ASR training needs it")
    make_corpus(tmp_path)
    (tmp_path / "tokens").write_text("<blank>\n<unk>\nA\nB\n<space>\n<sos/eos>\n")
    write_yaml(tmp_path / "train.yaml", config_of(module, str(exp)))
    script = COMMAND.format(module=module, task=TASKS[module])
    (tmp_path / "stock_on_cpu.py").write_text(script)
    data = ["wav.scp,speech,sound", "text,text,text"]
    if module == "gan_codec":
        data = ["wav.scp,audio,sound"]
    options = {
        "config": "train.yaml",
        "output_dir": "exp",
        "ngpu": 2,
        "multiprocessing_distributed": "true",
        "dist_backend": "gloo",
    }
    for part in ("train", "valid"):
        options[f"{part}_data_path_and_name_and_type"] = data
        options[f"{part}_shape_file"] = ["shape"] * len(data)
    done = subprocess.run(
        [sys.executable, "-m", "espnet_st", *words("stock_on_cpu", options)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert sorted(path.name for path in tmp_path.glob("rank*")) == ["rank0", "rank1"]
    state = checkpoint(tmp_path / "exp")
    assert all(value.isfinite().all() for value in state["model"].values())
    stats = state["reporter"]["stats"][1]["train"]
    loss = stats[LOSS[module]]
    assert stats["total_count"] > 0 and loss == loss and abs(loss) != float("inf")
