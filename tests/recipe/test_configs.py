"""Every YAML that a recipe ships parses and builds through the real entry point."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted({p.resolve() for p in ROOT.glob("egs2/*/speechtok1/conf/**/*.yaml")})
TOKENS = ["<blank>", "<unk>", "a", "b", "<sos/eos>"]


def name_of(path):
    return str(path.relative_to(ROOT / "egs2"))


def of_kind(key):
    """The configurations that have this key at the top."""
    having = [
        p for p in CONFIGS if key in yaml.safe_load(p.read_text(encoding="utf-8"))
    ]
    return pytest.mark.parametrize("path", having, ids=name_of)


def parse(task, path, tmp_path, *extra):
    from espnet_st.registry import register

    register()
    options = ["--config", str(path), "--output_dir", str(tmp_path), *extra]
    return task.get_parser().parse_args(options)


@of_kind("codec")
def test_a_codec_config_builds(path, tmp_path, monkeypatch):
    from espnet_st.checkpoints.generators import build_generator
    from espnet_st.tasks.codec import CodecTask

    monkeypatch.chdir(path.parents[1])
    args = parse(CodecTask, path, tmp_path)
    model = CodecTask.build_model(args)
    optimizers = CodecTask.build_optimizers(args, model)
    generator = build_generator(vars(args), path)  # as for inference
    names = {key: value.shape for key, value in generator.state_dict().items()}
    trained = model.codec.generator.state_dict()
    assert names == {key: value.shape for key, value in trained.items()}
    conf = args.codec_conf
    assert generator.sample_rate == conf.get("sample_rate", conf.get("sampling_rate"))
    assert generator.frame_rate == 50  # the teacher's
    assert generator.n_q == (1 if args.codec == "hubert_units" else 8)
    assert args.chunk_length % generator.hop_length == 0
    assert len(optimizers) == 2
    assert args.iterator_type == "chunk"
    assert all(p.requires_grad for p in model.codec.generator.parameters())


@of_kind("tts")
def test_a_uslm_config_builds(path, tmp_path, monkeypatch):
    from espnet_st.tasks.tts import USLMTask
    from espnet_st.uslm.uslm import USLM

    monkeypatch.chdir(path.parents[1])
    (tmp_path / "tokens.txt").write_text("".join(f"{token}\n" for token in TOKENS))
    options = ["--odim", "8", "--normalize", "none"]
    options += ["--token_list", str(tmp_path / "tokens.txt")]
    conf = yaml.safe_load(path.read_text(encoding="utf-8"))["tts_conf"]
    if "codebooks" in conf:  # made by stage 5
        np.save(tmp_path / "books.npy", np.ones((8, conf["codebook_size"], 3), "f"))
        options += ["--tts_conf", f"codebooks={tmp_path / 'books.npy'}"]
    args = parse(USLMTask, path, tmp_path, *options)
    with torch.device("meta"):
        model = USLMTask.build_model(args)
        (optimizer,) = USLMTask.build_optimizers(args, model)
    assert args.tts == "uslm" and isinstance(model.tts, USLM)
    assert args.scheduler_conf["total_steps"] == (
        args.max_epoch * args.num_iters_per_epoch
    )
    held = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
    parameters = sum(p.numel() for p in model.parameters())
    assert held == parameters
    if "TEMPLATE" in path.parts:
        # The paper's and the release's size, with a table for as many tokens.
        assert parameters == 367_386_628 - 2 * 1024 * (512 - len(TOKENS))


@pytest.mark.parametrize(
    "path", [p for p in CONFIGS if p.name == "decode_uslm.yaml"], ids=name_of
)
def test_a_decoding_config_can_be_a_models_defaults(path, tmp_path):
    from espnet_st.bin.decode_defaults import write_defaults
    from espnet_st.inference.decode_defaults import read_defaults

    write_defaults(path, tmp_path)
    conf = yaml.safe_load(path.read_text(encoding="utf-8"))
    job = {"batch_size", "seed"}
    assert read_defaults(tmp_path) == {k: v for k, v in conf.items() if k not in job}


def test_each_config_is_of_a_kind_that_is_tried():
    """Those of the teacher and of scoring are read in the end-to-end run.

    Lists of systems are read in the tests of the benchmark.
    """
    for path in CONFIGS:
        if path.name.startswith("systems"):
            continue
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        others = ("train_teacher.yaml", "decode_uslm.yaml", "slmtokbench.yaml")
        assert "codec" in config or "tts" in config or path.name in others, path
