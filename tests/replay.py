"""ESPnet's own recipes replayed: their calls, in their order, on a toy corpus."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
import yaml
from stock_models import TRAINING
from tiny import CODEC, LOSSES

ROOT = Path(__file__).resolve().parents[1]
RECIPES = yaml.safe_load((ROOT / "tests/frontend/recipes.yaml").read_text())
# Of all runs.
COMMON = TRAINING | {"batch_size": 4}
CODEC_TRAINING = COMMON | {
    "codec": "speechtokenizer",
    "codec_conf": CODEC | LOSSES | {"lambda_distill": 0.0},
    "iterator_type": "chunk",
    "chunk_length": 3200,
    "num_cache_chunks": 8,
    "log_interval": 1,
    "generator_first": False,
    "unused_parameters": True,
    "optim2": "adam",
    "scheduler": "exponentiallr",
    "scheduler_conf": {"gamma": 0.5},
    "scheduler2": "exponentiallr",
    "scheduler2_conf": {"gamma": 0.5},
}
USLM_CONF = {
    "codebook_size": 8,
    "d_model": 8,
    "n_heads": 2,
    "ar_layers": 1,
    "nar_layers": 1,
    "ffn_size": 8,
    "max_frames": 60,
}
TEXTS = {"u0": "AB A", "u1": "BA", "u2": "B", "u3": "A BA"}
# One process for many commands, for the imports of ESPnet's tasks take most of the
# time. Each is run as `python -m espnet_st` runs it.
DRIVER = """
import json, pathlib, sys
from espnet_st.__main__ import main
for words in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    main(words)
"""
PYTHON = [sys.executable, "-m", "espnet_st"]


def make_corpus(directory, sample_rate=16000):
    """Four utterances of noise: wav.scp, text, and shape, with their samples."""
    draw = np.random.default_rng(0)
    lines = {"wav.scp": "", "text": "", "shape": ""}
    for number, (key, words) in enumerate(TEXTS.items()):
        path, size = directory / f"{key}.wav", 8000 + 999 * number
        soundfile.write(path, draw.uniform(-0.3, 0.3, size), sample_rate)
        lines["wav.scp"] += f"{key} {path}\n"
        lines["text"] += f"{key} {words}\n"
        lines["shape"] += f"{key} {size}\n"
    for name, content in lines.items():
        (directory / name).write_text(content)


def split_keys(directory, logs):
    """Write train.JOB.scp, valid.JOB.scp and keys.JOB.scp of two jobs."""
    lines = (directory / "wav.scp").read_text().splitlines(keepends=True)
    (directory / logs).mkdir(parents=True, exist_ok=True)
    for job, part in enumerate((lines[:2], lines[2:]), start=1):
        for name in ("train", "valid", "keys"):
            (directory / logs / f"{name}.{job}.scp").write_text("".join(part))


def write_yaml(path, content):
    path.write_text(yaml.safe_dump(content))


def environment():
    """Variables for a process that finds this package, and our run.pl on PATH."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    tools = ROOT / "egs2/TEMPLATE/speechtok1/utils"
    return os.environ | {
        "PYTHONPATH": path,
        "PATH": os.pathsep.join([str(tools), os.environ["PATH"]]),
        "OMP_NUM_THREADS": "1",
    }


def run(directory, *calls):
    """Run commands one by one, each a list of words for `python -m espnet_st`."""
    (directory / "calls.json").write_text(json.dumps(calls))
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, "calls.json"],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stderr


def words(command, values):
    """The words of a call: a list repeats its option, True stands for a bare one."""
    call = ["-m", command]
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            call += [f"--{name}"] + ([] if one is True else [str(one)])
    return call


def recorded(recipe, number, values, extra=()):
    """The words of a recipe's call, which must have the options that are recorded."""
    call = RECIPES[recipe]["calls"][number]
    assert {*values} - {*extra} == {*call["options"]}, call["command"]
    return words(call["command"], values)


def read_calls(script):
    """Find the calls of `espnet2.bin` in a recipe.

    Returns:
        For each: the command, the options that it always has, and those that it may
        have by `_opts` and `_ex_opts`.
    """
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*$", "", script))
    defaults = dict(re.findall(r"(?m)^(\w+)=(\w+)", text))
    calls, maybe = [], set()
    for line in text.splitlines():
        if re.fullmatch(r"\s*_opts=(\"\")?\s*", line):
            maybe = set()
        maybe |= set(re.findall(r'_opts\+="\s*--(\w+)', line))
        parts = re.split(r'-m "?(espnet2\.bin\.[\w.${}]+)"?', line)
        for command, rest in zip(parts[1::2], parts[2::2]):
            name = re.sub(r"\$\{(\w+)\}", lambda x: defaults[x[1]], command)
            always = re.findall(r"\s--(\w+)", re.sub(r'"[^"]*"', "", rest))
            calls.append((name, set(always), set(maybe)))
    return calls
