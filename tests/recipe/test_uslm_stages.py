"""Stages 3 and 6 of speechtok.sh on codes drawn at random: pieces, prompts, halves."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from espnet_st.codes import CodesWriter
from espnet_st.data.kaldi import write_table
from espnet_st.inference.decode_defaults import read_defaults

pytestmark = pytest.mark.smoke  # six processes that import ESPnet

ROOT = Path(__file__).resolve().parents[2]
WORDS = "the quick brown fox jumps over a lazy dog by sea shore".split()


@pytest.fixture
def work(tmp_path):
    """What stages 2 and 5 leave, and a teacher that stage 3 made."""
    generator = torch.Generator().manual_seed(0)
    for name, size in (("train", 12), ("dev", 4)):
        keys = [f"{'ab'[n % 2]}-{n:02}" for n in range(size)]
        text = {}
        for key in sorted(keys):
            chosen = torch.randint(len(WORDS), (5,), generator=generator)
            text[key] = " ".join(WORDS[word] for word in chosen)
        spk2utt = {s: " ".join(k for k in sorted(keys) if k[0] == s) for s in "ab"}
        raw, codes = tmp_path / "dump/raw" / name, tmp_path / "dump/codes_tiny" / name
        for directory in (raw, codes):
            directory.mkdir(parents=True)
            write_table(directory / "text", text)
        write_table(raw / "wav.scp", dict.fromkeys(text, "none.wav"))
        write_table(codes / "spk2utt", spk2utt)
        (codes / ".done").touch()
        np.save(codes / "codebooks.npy", np.ones((3, 8, 2), np.float32))
        with CodesWriter(codes) as writer:
            for key in text:
                writer[key] = torch.randint(8, (3, 10), generator=generator)
    config = dict(
        tts="uslm",
        tts_conf=dict(
            codebook_size=8, d_model=8, n_heads=2, ar_layers=1, nar_layers=1,
            ffn_size=8, nar_prompt="speaker",
        ),
        batch_type="length", batch_bins=60, max_epoch=1, num_iters_per_epoch=2,
        num_workers=0, optim="adamw", num_att_plot=0, use_matplotlib=False,
        use_tensorboard=False, best_model_criterion=[["train", "total_count", "max"]],
        keep_nbest_models=1,
    )  # fmt: skip
    (tmp_path / "train_tiny.yaml").write_text(yaml.safe_dump(config))
    lm = {"label": "USLM", "config": str(tmp_path / "train_tiny.yaml")}
    system = {"key": "tiny", "label": "Tiny", "codec": {"exp": "none"}, "lm": lm}
    (tmp_path / "systems.yaml").write_text(yaml.safe_dump([system]))
    return tmp_path


def test_two_halves_are_trained_and_joined(work):
    recipe = ROOT / "egs2/mini/speechtok1"
    run = dict(cwd=recipe, text=True, capture_output=True, check=False)
    teacher = f"made {work}/exp/teacher {work}/none {work}/dump/raw/train/wav.scp ''"
    lines = f". scripts/helpers.sh; {teacher} || touch {work}/exp/teacher/.done"
    assert subprocess.run(["bash", "-ec", lines], **run).returncode == 0
    options = dict(
        dumpdir=work / "dump", expdir=work / "exp", nj=1, num_threads=1,
        teacher_config=work / "none", token_type="bpe", nbpe=40,
        systems=work / "systems.yaml", uslm_apart="true",
        nar_args="--batch_bins 40",
    )  # fmt: skip
    given = [str(part) for key in options for part in (f"--{key}", options[key])]

    def do(stage, *more):
        command = [
            "./speechtok.sh",
            "--stage",
            stage,
            "--stop_stage",
            stage,
            *given,
            *more,
        ]
        done = subprocess.run(command, **run)
        assert done.returncode == 0, done.stdout + done.stderr

    do("3")
    do("6")
    halves = {name: work / f"exp/uslm_tiny{name}" for name in ("", "_ar", "_nar")}
    states = {
        name: torch.load(path / "latest.pth", weights_only=True)
        for name, path in halves.items()
    }
    configs = {
        name: yaml.safe_load((path / "config.yaml").read_text())
        for name, path in halves.items()
    }
    assert all(key.startswith("tts.ar.") for key in states["_ar"])
    assert all(key.startswith("tts.nar.") for key in states["_nar"])
    both = states["_ar"] | states["_nar"]
    assert states[""].keys() == both.keys()
    assert all(torch.equal(states[""][key], both[key]) for key in both)
    bins = {name: config["batch_bins"] for name, config in configs.items()}
    assert (bins["_ar"], bins["_nar"]) == (60, 40)
    trained = {name: config["tts_conf"]["train"] for name, config in configs.items()}
    assert trained == {"": "both", "_ar": "ar", "_nar": "nar"}
    assert configs[""]["token_type"] == "bpe"
    assert Path(recipe / configs[""]["bpemodel"]).is_file()
    # The whole has the recipe's decoding configuration as its defaults; another one
    # replaces them, and trains nothing anew.
    chosen = yaml.safe_load((recipe / "conf/decode_uslm.yaml").read_text())
    del chosen["batch_size"], chosen["seed"]
    assert read_defaults(halves[""]) == chosen and chosen["ar_prompt"] is False
    (work / "decode.yaml").write_text("nbest: 2\nseed: 5\n")
    before = (halves["_ar"] / "1epoch.pth").stat().st_mtime_ns
    do("6", "--decode_config", str(work / "decode.yaml"))
    assert read_defaults(halves[""]) == {"nbest": 2}
    assert (halves["_ar"] / "1epoch.pth").stat().st_mtime_ns == before
    state = torch.load(halves[""] / "latest.pth", weights_only=True)
    assert all(torch.equal(state[key], both[key]) for key in both)
