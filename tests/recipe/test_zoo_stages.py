"""Stages 9 and 10 of speechtok.sh on tiny models: packed, skipped, shared."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from fake_hub import new_hub
from http_servers import serving
from tiny import CODEC, save_experiment
from tiny_uslm import save_uslm

from espnet_st.codec.generator import Generator
from espnet_st.inference.text2speech import Text2Speech

pytestmark = pytest.mark.smoke  # four processes that import ESPnet

ROOT = Path(__file__).resolve().parents[2]
RESULTS = "# RESULTS\n## exp/codec_x\n\n|WER|\n|---|\n|7.5|\n"


@pytest.fixture
def work(tmp_path):
    """A recipe `tinycorpus` that has trained a codec and a USLM, and scored them."""
    work = tmp_path / "egs2/tinycorpus/speechtok1"
    shutil.copytree(
        ROOT / "egs2/mini/speechtok1",
        work,
        ignore=shutil.ignore_patterns("data", "dump", "exp", "downloads"),
    )
    exp = work / "exp"
    (exp / "codec_x").mkdir(parents=True)
    torch.manual_seed(0)
    conf = CODEC | {"quantizer_conf": {"n_q": 4, "codebook_size": 11}}
    generator = Generator(**conf).train()
    generator.quantizer(generator.encoder(torch.randn(4, 1, 8000)))
    save_experiment(exp / "codec_x", generator, conf)
    save_uslm(exp / "uslm_x")
    (exp / "uslm_x/valid.loss.best.pth").rename(exp / "uslm_x/latest.pth")
    for name in ("codec_x", "uslm_x"):
        path = exp / name / "config.yaml"
        # As whole as ESPnet's own in what matters here: nothing is filled in.
        config = yaml.safe_load(path.read_text()) | {"init": None}
        config["output_dir"] = str(exp / name)
        path.write_text(yaml.safe_dump(config))
    (exp / "uslm_x/codec.yaml").write_text("codec: ../codec_x\n")
    (exp / "results").mkdir()
    (exp / "results/RESULTS.md").write_text(RESULTS)
    (work / "systems.yaml").write_text(
        "- key: x\n  label: X\n  codec: {config: conf/train_speechtokenizer_mini.yaml}"
        "\n  lm: {label: L, config: conf/train_uslm.yaml}\n"
        "- {key: y, label: Y, codec: {exp: exp/codec_x}}\n"
    )
    return work


def run(work, *options, **env):
    done = subprocess.run(
        ["./speechtok.sh", "--systems", "systems.yaml", *options],
        cwd=work,
        env=os.environ | {"ESPNET_ST_CACHE": str(work / "cache")} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_models_are_packed_once_and_shared_when_asked(work):
    codec, uslm = work / "exp/codec_x.zip", work / "exp/uslm_x.zip"
    both = "--stage", "9", "--stop_stage", "10"
    code, said = run(work, *both, "--license", "cc0-1.0")
    assert code == 0, said
    assert "exp/codec_x was trained elsewhere: not packed" in said
    for name in ("codec_x", "uslm_x"):
        assert f"to owner/tinycorpus_{name}, branch main:" in said
    assert "nothing was sent: --upload true --hub_owner NAME sends it" in said
    assert "license: cc0-1.0" in said and "Training data: tinycorpus." in said
    assert "|7.5|" in said
    assert str(work).encode() not in codec.read_bytes() + uslm.read_bytes()
    first = uslm.stat().st_mtime_ns

    hub = new_hub()
    with serving(hub) as address:
        token = {"HF_TOKEN": hub.token, "HF_ENDPOINT": address, "HOME": str(work)}
        token |= {"HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
        options = *both, "--license", "cc0-1.0", "--upload", "true"
        code, said = run(work, *options, **token)
        assert code == 1 and "say with --hub_owner where the models go" in said
        assert not hub.requests and uslm.stat().st_mtime_ns == first
        assert said.count("is finished: skipped") == 2
        options = "--stage", "10", "--stop_stage", "10", "--upload", "true"
        code, said = run(work, *options, "--hub_owner", "me", **token)
    assert code == 0, said
    assert set(hub.repos) == {"me/tinycorpus_codec_x", "me/tinycorpus_uslm_x"}
    assert hub.token not in said

    # Another licence: packed anew.
    code, said = run(work, "--stage", "9", "--stop_stage", "9", "--language", "de")
    assert code == 0 and said.count("comes from other inputs: made anew") == 2
    assert uslm.stat().st_mtime_ns > first
    moved = uslm.rename(work.parent / "alone.zip")
    shutil.rmtree(work / "exp")
    assert Text2Speech.from_pretrained(moved)("a b c")["codes"].shape[0] == 4
