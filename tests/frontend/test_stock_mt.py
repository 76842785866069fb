"""ESPnet's discrete ASR on tokens of a tiny codec, through `python -m espnet_st`."""

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

from espnet_st.bin.tokenize import main as tokenize
from espnet_st.inference.code_tokens import CodeTokens, TokenOptions
from espnet_st.inference.discrete_asr import DiscreteSpeech2Text
from espnet_st.registry import register

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (
    TRAINING
    | RECOGNISER
    | {
        "model": "discrete_asr",
        "frontend": "speechtokenizer",
        "token_type": "char",
        "src_token_type": "bpe",
        "batch_size": 2,
    }
)


def stock(command, work, *options):
    done = subprocess.run(
        [sys.executable, "-m", "espnet_st", "-m", f"espnet2.bin.{command}"]
        + [*map(str, options)],
        cwd=work,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def work(exp, tmp_path_factory):
    """A directory where stock `mt_train` and `mt_inference` have run."""
    pytest.importorskip("editdistance", reason="ESPnet's ASR training needs it")
    work = tmp_path_factory.mktemp("asr2")
    draw = np.random.default_rng(0)
    (work / "tokens").write_text("<blank>\n<unk>\nA\nB\n<space>\n<sos/eos>\n")
    with (work / "wav.scp").open("w") as scp:
        for size, key in enumerate(TEXTS):
            path = work / f"{key}.wav"
            soundfile.write(path, draw.uniform(-0.3, 0.3, 8000 + 999 * size), 16000)
            scp.write(f"{key} {path}\n")
    lines = "".join(f"{key} {words}\n" for key, words in TEXTS.items())
    (work / "text").write_text(lines)
    common = ["--codec", str(exp), "--wav_scp", str(work / "wav.scp"), "--format"]
    bpe = ["asr2", "--token_type", "bpe", "--pieces", "20", "--layers", "1"]
    tokenize([*common, *bpe, "--output_dir", str(work / "src")])

    config = CONFIG | {"frontend_conf": {"tokens": str(work / "src")}}
    (work / "train.yaml").write_text(yaml.safe_dump(config))
    options = ["--config", "train.yaml", "--output_dir", "exp", "--ngpu", 0]
    options += ["--token_list", "tokens", "--src_token_list", "src/tokens.txt"]
    options += ["--src_bpemodel", "src/bpe.model"]
    for part in ("train", "valid"):
        options += [f"--{part}_shape_file", "text"]
        for data in ("src/src_text,src_text,text", "text,text,text"):
            options += [f"--{part}_data_path_and_name_and_type", data]
    stock("mt_train", work, *options)
    stock(
        "mt_inference",
        work,
        *("--mt_train_config", "exp/config.yaml", "--mt_model_file", "exp/latest.pth"),
        *("--output_dir", "decode", "--beam_size", 3, "--ctc_weight", 0.3),
        *("--nbest", 2, "--maxlenratio", -5),
        *("--data_path_and_name_and_type", "src/src_text,src_text,text"),
    )
    return work


@pytest.fixture(scope="module")
def text2text(work):
    register()
    from espnet2.bin.mt_inference import Text2Text

    return Text2Text(
        str(work / "exp/config.yaml"),
        str(work / "exp/latest.pth"),
        beam_size=3,
        ctc_weight=0.3,
        nbest=2,
        maxlenratio=-5.0,
    )


def test_mt_train_starts_from_the_codebooks(work):
    state = torch.load(work / "exp/latest.pth", weights_only=True)
    ours = [key for key in state if key.startswith("frontend.")]
    assert ours == ["frontend.table"]
    first = CodeTokens.load(work / "src").vectors()
    # Two steps of Adam at 0.001 do not lead far.
    assert (state["frontend.table"] - first).abs().max() < 0.01
    assert not state["frontend.table"].equal(first)


def test_from_a_waveform_is_what_two_steps_give(work, exp, text2text):
    speech2text = DiscreteSpeech2Text(exp, work / "src", text2text)
    for best in ("1best", "2best"):
        tokens = (work / f"decode/{best}_recog/token").read_text().splitlines()
        scores = (work / f"decode/{best}_recog/score").read_text().splitlines()
        assert [line.split()[0] for line in tokens] == list(TEXTS)
        for line, score in zip(tokens, scores):
            key, *expected = line.split(" ")
            wav, rate = soundfile.read(work / f"{key}.wav", dtype="float32")
            result = speech2text(wav, rate)[best == "2best"]
            assert result[1] == [token for token in expected if token]
            found = float(score.split("(")[1].rstrip(")"))
            assert float(result[3].score) == pytest.approx(found, abs=2e-3)


def test_another_codec_or_model_is_refused(work, exp, text2text, tmp_path):
    tokens = CodeTokens.load(work / "src")
    with pytest.raises(ValueError, match="not empty"):
        DiscreteSpeech2Text(exp, work / "src", text2text)(np.zeros(0, np.float32))
    CodeTokens(tokens.codebooks, TokenOptions("1")).save(tmp_path / "words")
    with pytest.raises(ValueError, match="reads 16 source tokens, not the 11 of"):
        DiscreteSpeech2Text(exp, tmp_path / "words", text2text)
    CodeTokens(tokens.codebooks + 1, TokenOptions("1")).save(tmp_path / "other")
    with pytest.raises(ValueError, match="the tokens are of another"):
        DiscreteSpeech2Text(exp, tmp_path / "other", text2text)
    with pytest.raises(ValueError, match="has no tokens.txt"):
        DiscreteSpeech2Text(exp, tmp_path, text2text)
