"""Real training runs: killed and resumed, in two processes, with NaN and bfloat16."""

import numpy as np
import pytest
import soundfile
import torch
import yaml
from runs import (
    check_resumed,
    checkpoint,
    finish,
    kill_after_first_epoch,
    same,
    train_in_two,
)
from tiny import HUBERT, LOSSES, SPECTRAL
from tiny_units import UNITS, save_teacher_with_units

from espnet_st.bin.teacher import main as teacher_command

pytest.importorskip("transformers")
CODEC = LOSSES | {
    "dimension": 16,
    "semantic_dimension": 12,
    "encoder": "spectral",
    "encoder_conf": SPECTRAL | {"n_mels": 20},
    "decoder": "spectral",
    "decoder_conf": SPECTRAL,
    "quantizer_conf": {"n_q": 2, "codebook_size": 8},
    "adversarial_start": 3,
    "adversarial_samples": 1600,  # at random places
}
TRAINING = {
    "codec": "speechtokenizer",
    "iterator_type": "chunk",
    "chunk_length": 3200,
    "num_cache_chunks": 16,
    "batch_type": "unsorted",
    "batch_size": 4,
    "max_epoch": 2,
    "seed": 1,
    "num_workers": 1,
    "log_interval": 1,
    "generator_first": True,
    "unused_parameters": True,
    "optim": "adamw",
    "optim_conf": {"lr": 1.0e-3},
    "scheduler": "exponentiallr",
    "scheduler_conf": {"gamma": 0.5},
    "optim2": "adamw",
    "optim2_conf": {"lr": 1.0e-3},
    "scheduler2": "exponentiallr",
    "scheduler2_conf": {"gamma": 0.5},
    "best_model_criterion": [["train", "total_count", "max"]],
    "keep_nbest_models": 2,
    "use_matplotlib": False,
    "use_tensorboard": False,
    "num_att_plot": 0,
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    from transformers import HubertConfig, HubertModel

    from espnet_st.codec.teacher.small.model import save_teacher

    torch.manual_seed(0)
    config = HubertConfig(**HUBERT)
    directory = tmp_path_factory.mktemp("teacher")
    save_teacher(HubertModel(config), directory)
    return directory


@pytest.fixture
def options(tmp_path, teacher):
    """Options of a run on utterances of given lengths; NaN where `broken` says."""

    def make(output, lengths, broken=(), **changes):
        generator = np.random.default_rng(0)
        scp, shapes = [], []
        for number, length in enumerate(lengths):
            wav = 0.1 * generator.standard_normal(length).astype(np.float32)
            if number in broken:
                wav[length // 2] = np.nan
            path = tmp_path / f"u{number}.wav"
            soundfile.write(path, wav, 16000, subtype="FLOAT")
            scp.append(f"u{number} {path}\n")
            shapes.append(f"u{number} {length}\n")
        (tmp_path / "wav.scp").write_text("".join(scp))
        (tmp_path / "shape").write_text("".join(shapes))
        codec = CODEC | {"teacher_conf": {"name": str(teacher)}}
        conf = yaml.safe_dump(TRAINING | {"codec_conf": codec} | changes)
        (tmp_path / "train.yaml").write_text(conf)
        made = ["--config", str(tmp_path / "train.yaml"), "--output_dir", str(output)]
        for part in ("train", "valid"):
            data = f"{tmp_path}/wav.scp,audio,sound"
            made += [f"--{part}_data_path_and_name_and_type", data]
            made += [f"--{part}_shape_file", str(tmp_path / "shape")]
        return [*made, "--ngpu", "0", "--resume", "true"]

    return make


@pytest.mark.parametrize("kind", ["speechtokenizer", "hubert_units"])
def test_a_killed_run_resumes_to_the_same_result(start, options, tmp_path, kind):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    lengths = [24000] * 4
    changes = {}
    if kind == "hubert_units":
        parts = {"decoder": "spectral", "decoder_conf": SPECTRAL}
        parts |= {
            key: CODEC[key] for key in ("adversarial_start", "adversarial_samples")
        }
        parts |= {"teacher_conf": save_teacher_with_units(tmp_path)}
        changes = {"codec": kind, "codec_conf": UNITS | parts}
    made = options(killed, lengths, **changes)
    halfway = kill_after_first_epoch(start, made, killed, "3-3batch")
    for directory in (whole, killed):
        log = tmp_path / "run.log"
        run = start(log, options(directory, lengths, **changes))
        assert finish(run) == [0], log.read_text()[-3000:]
    assert "The training was resumed" in log.read_text()
    found = check_resumed(whole, killed, halfway)
    assert not [name for name in found["model"] if "teacher" in name]


@pytest.mark.parametrize("generator_first", [True, False])
def test_two_processes_with_unequal_shares_end_together(
    start, options, teacher, tmp_path, generator_first
):
    # Of 14 chunks each, and of 3: 21 steps of two for one process, 4 for the other.
    lengths = [24000, 6400] * 3
    made = options(tmp_path / "exp", lengths, generator_first=generator_first)
    # What the teacher says is looked up here; the other runs ask it.
    features = ["--teacher", str(teacher), "--output_dir", str(tmp_path / "features")]
    teacher_command(["features", *features, "--wav_scp", str(tmp_path / "wav.scp")])
    made += ["--codec_conf", f"teacher_conf.features={tmp_path}/features"]
    logs = train_in_two(start, made, tmp_path)
    text = logs[0].read_text()
    for epoch in (1, 2):
        assert f"{epoch}epoch:train:4-4batch" in text
        assert f"{epoch}epoch:train:5-5batch" not in text
    state = checkpoint(tmp_path / "exp")
    assert state["reporter"]["epoch"] == 2
    assert all(value.isfinite().all() for value in state["model"].values())
    first, second = (torch.load(f"{log}.pth", weights_only=True) for log in logs)
    assert same(first, second) and same(first, state["model"])


def test_nan_is_skipped_counted_and_kept_from_all_weights(start, options, tmp_path):
    made = options(tmp_path / "exp", [24000] * 4, broken=[1], grad_clip=-1.0)
    log = tmp_path / "run.log"
    assert finish(start(log, [*made, "--use_amp", "true"])) == [0], log.read_text()[
        -3000:
    ]
    state = checkpoint(tmp_path / "exp")
    assert all(value.isfinite().all() for value in state["model"].values())
    assert all(
        torch.isfinite(torch.as_tensor(value)).all()
        for optimizer in state["optimizers"]
        for moments in optimizer["state"].values()
        for value in moments.values()
    )
    for epoch in (1, 2):
        stats = state["reporter"]["stats"][epoch]["train"]
        skipped = stats["generator_skipped_steps"]
        assert 0 < skipped < stats["total_count"] / epoch
        assert np.isfinite(stats["generator_loss"])
        line = f"epoch {epoch}: {skipped:.0f} of "
        assert f"{line}" in log.read_text()
    assert "steps of the generator were skipped" in log.read_text()
