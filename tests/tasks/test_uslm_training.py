"""Real training runs of the USLM: killed and resumed, and in two processes."""

import sys

import kaldiio
import numpy as np
import pytest
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
from tiny_uslm import StandIn

from espnet_st import __main__ as plugin
from espnet_st.inference.text2speech import Text2Speech

LETTERS = ["<blank>", "<unk>", "a", "b", "c", "d", "<sos/eos>"]
MODEL = {
    "codebook_size": 8,
    "d_model": 16,
    "n_heads": 2,
    "ar_layers": 1,
    "nar_layers": 1,
    "ffn_size": 24,
}
TRAINING = {
    "tts": "uslm",
    "batch_type": "unsorted",
    "batch_size": 4,
    "max_epoch": 2,
    "seed": 1,
    "num_workers": 1,
    "log_interval": 1,
    "unused_parameters": True,
    "grad_clip": 1.0,
    "optim": "adamw",
    "optim_conf": {"lr": 1.0e-2},
    "scheduler": "onecyclelr",
    "scheduler_conf": {"max_lr": 1.0e-2, "total_steps": 8},
    "best_model_criterion": [["train", "total_count", "max"]],
    "keep_nbest_models": 2,
    "use_matplotlib": False,
    "use_tensorboard": False,
    "num_att_plot": 0,
}


@pytest.fixture
def options(tmp_path):
    """Options of a run on utterances of the given (letters, frames)."""

    def make(output, sizes, model, **changes):
        generator = np.random.default_rng(0)
        text, shapes, codes = [], [], {}
        for number, (letters, frames) in enumerate(sizes):
            key = f"u{number:02}"
            text.append(f"{key} {''.join(generator.choice(list('abcd'), letters))}\n")
            shapes.append(f"{key} {frames},3\n")
            codes[key] = generator.integers(0, 8, (frames, 3)).astype(np.float32)
        kaldiio.save_ark(
            str(tmp_path / "codes.ark"), codes, scp=f"{tmp_path}/codes.scp"
        )
        lines = (tmp_path / "codes.scp").read_text().splitlines()
        places = [line.split()[1] for line in lines]
        prompts = zip(codes, [*places[1:], places[0]])
        files = {
            "text": "".join(text),
            "shape": "".join(shapes),
            "prompt.scp": "".join(f"{key} {place}\n" for key, place in prompts),
            "tokens.txt": "".join(f"{letter}\n" for letter in LETTERS),
            "train.yaml": yaml.safe_dump(
                TRAINING | {"tts_conf": MODEL | model} | changes
            ),
        }
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        made = ["--config", str(tmp_path / "train.yaml"), "--output_dir", str(output)]
        made += ["--token_list", str(tmp_path / "tokens.txt"), "--token_type", "char"]
        data = ["text,text,text", "codes.scp,speech,kaldi_ark"]
        if model.get("nar_prompt") == "speaker":
            data.append("prompt.scp,voice,kaldi_ark")
        for part in ("train", "valid"):
            for one in data:
                made += [f"--{part}_data_path_and_name_and_type", f"{tmp_path}/{one}"]
            made += [f"--{part}_shape_file", str(tmp_path / "shape")]
        made += ["--odim", "3", "--normalize", "none"]
        return [*made, "--ngpu", "0", "--resume", "true"]

    return make


def test_a_killed_run_resumes_to_the_same_weights(start, options, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    # All that is drawn in training is drawn here.
    model = dict(
        dropout=0.1, code_noise=0.1, text_dropout=0.2, align=True, text_prior=True,
        rotary=True, nar_prompt="speaker", nar_prompt_frames=5,
        gradient_checkpointing=True,
    )  # fmt: skip
    sizes = [(3 + n % 4, 8 + n % 5) for n in range(16)]
    made = options(killed, sizes, model)
    halfway = kill_after_first_epoch(start, made, killed, "2-2batch", task="tts")
    for directory in (whole, killed):
        log = tmp_path / "run.log"
        run = start(log, options(directory, sizes, model), "tts")
        assert finish(run) == [0], log.read_text()[-3000:]
    assert "The training was resumed" in log.read_text()
    found = check_resumed(whole, killed, halfway)
    assert found["model"]["tts.aligner.steps"] == 8
    figures = found["reporter"]["stats"][2]["train"]
    assert {"acc_ar", "acc_ar_top10", "acc_nar_2", "acc_nar_3"} <= set(figures)


def test_two_processes_learn_as_one_with_all_their_data(start, options, tmp_path):
    # Each batch of four has two sizes, one of each for each process. Nothing is drawn
    # for single utterances.
    sizes = [(4, 12), (4, 12), (3, 8), (3, 8)] * 4
    model = dict(
        dropout=0.0, align=True, align_jitter=0.0, nar_prompt="none",
        nar_stages="random",
    )  # fmt: skip
    changes = dict(
        optim="sgd", optim_conf={"lr": 0.5, "momentum": 0.9}, scheduler="exponentiallr",
        scheduler_conf={"gamma": 1.0},
    )  # fmt: skip
    one, two = tmp_path / "one", tmp_path / "two"
    log = tmp_path / "one.log"
    run = start(log, options(one, sizes, model, **changes), "tts")
    assert finish(run) == [0], log.read_text()[-3000:]
    made = options(two, sizes, model, **changes)
    logs = train_in_two(start, made, tmp_path, task="tts")
    assert "2epoch:train:4-4batch" in logs[0].read_text()
    first, second = (torch.load(f"{log}.pth", weights_only=True) for log in logs)
    alone = checkpoint(one)["model"]
    assert same(first, second) and same(first, checkpoint(two)["model"])
    started = torch.load(one / "1epoch.pth", weights_only=True)
    for name, expected in alone.items():
        torch.testing.assert_close(first[name], expected, atol=1e-5, rtol=1e-4)
    assert not same(started, alone)
    assert alone["tts.aligner.steps"] == first["tts.aligner.steps"] == 8


def test_espnets_own_command_saves_the_codes(start, options, tmp_path, monkeypatch):
    exp = tmp_path / "exp"
    made = options(exp, [(4, 12), (3, 8)] * 4, {}, max_epoch=1, batch_size=8)
    run, log = start(tmp_path / "run.log", made, "tts"), tmp_path / "run.log"
    assert finish(run) == [0], log.read_text()[-3000:]
    (tmp_path / "few").write_text("u00 abcd\nu01 dab\n")
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    plugin.main([
        "-m", "espnet2.bin.tts_inference", "--ngpu", "0",
        "--train_config", f"{exp}/config.yaml", "--model_file", f"{exp}/1epoch.pth",
        "--data_path_and_name_and_type", "few,text,text", "--output_dir", "out",
    ])  # fmt: skip

    class Codec(StandIn):
        n_q, codebook_size = 3, 8

    codec = Codec()
    files = exp / "config.yaml", exp / "1epoch.pth"
    tts = Text2Speech(*files, codec=codec, seed=0)
    lines = (tmp_path / "out/norm/feats.scp").read_text().splitlines()
    found = {key: np.load(tmp_path / path) for key, path in map(str.split, lines)}
    assert sorted(found) == ["u00", "u01"]
    for key, text in (("u00", "abcd"), ("u01", "dab")):
        codes = torch.from_numpy(found[key].T)
        expected = tts.tts.inference(tts.tokens(text))["codes"]
        assert codes.equal(expected) and codes.shape[0] == 3
        assert codec.decode(codes).shape == (codes.shape[1] * codec.hop_length,)
    assert not (tmp_path / "out/wav").exists()  # ESPnet knows no codec
