"""Stock multi-GPU training of ESPnet through `python -m espnet_st`, on CPUs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
import yaml
from runs import checkpoint
from tiny import LOSSES

SIZE = {"n_filters": 2, "strides": [4, 8, 10], "lstm_layers": 1}
CODEC = LOSSES | {
    "dimension": 16,
    "semantic_dimension": 8,
    "encoder_conf": SIZE,
    "decoder_conf": SIZE,
    "quantizer_conf": {"n_q": 2, "codebook_size": 8},
    "lambda_distill": 0.0,
}
TRAINING = {
    "codec": "speechtokenizer",
    "iterator_type": "chunk",
    "chunk_length": 3200,
    "num_cache_chunks": 8,
    "batch_type": "unsorted",
    "batch_size": 4,
    "max_epoch": 1,
    "num_workers": 0,
    "log_interval": 1,
    "generator_first": False,
    "unused_parameters": True,
    "optim": "adam",
    "optim2": "adam",
    "scheduler": "exponentiallr",
    "scheduler_conf": {"gamma": 0.5},
    "scheduler2": "exponentiallr",
    "scheduler2_conf": {"gamma": 0.5},
    "best_model_criterion": [["train", "total_count", "max"]],
    "keep_nbest_models": 1,
    "use_matplotlib": False,
    "use_tensorboard": False,
    "num_att_plot": 0,
}
# As espnet2.bin.gan_codec_train, but its workers take the CPU. Processes that are
# spawned run this file too.
COMMAND = """
from espnet2.tasks.gan_codec import GANCodecTask

work = GANCodecTask.main_worker.__func__


def main_worker(cls, args):
    args.ngpu = 0
    return work(cls, args)


GANCodecTask.main_worker = classmethod(main_worker)
if __name__ == "__main__":
    GANCodecTask.main()
"""


def test_spawned_processes_of_the_stock_task_know_the_codec(tmp_path):
    generator = np.random.default_rng(0)
    scp, shapes = [], []
    for number in range(4):
        path = tmp_path / f"u{number}.wav"
        soundfile.write(path, 0.1 * generator.standard_normal(12800), 16000)
        scp.append(f"u{number} {path}\n")
        shapes.append(f"u{number} 12800\n")
    (tmp_path / "wav.scp").write_text("".join(scp))
    (tmp_path / "shape").write_text("".join(shapes))
    conf = yaml.safe_dump(TRAINING | {"codec_conf": CODEC})
    (tmp_path / "train.yaml").write_text(conf)
    (tmp_path / "stock_on_cpu.py").write_text(COMMAND)
    options = ["--config", "train.yaml", "--output_dir", "exp", "--ngpu", "2"]
    options += ["--multiprocessing_distributed", "true", "--dist_backend", "gloo"]
    for part in ("train", "valid"):
        options += [f"--{part}_data_path_and_name_and_type", "wav.scp,audio,sound"]
        options += [f"--{part}_shape_file", "shape"]
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "espnet_st", "-m", "stock_on_cpu", *options]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    state = checkpoint(tmp_path / "exp")
    assert all(value.isfinite().all() for value in state["model"].values())
    stats = state["reporter"]["stats"][1]["train"]
    assert stats["total_count"] > 2 and np.isfinite(stats["generator_loss"])
