"""Packs the small trained models, and an ASR model that was not: a program of a test.

Usage: pack_trained.py TRAINED WORK; writes {codec,uslm,asr}.zip and sums.txt to WORK.
The ASR model hears the trained codec's tokens; it writes pieces of the prompts' words.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import sentencepiece
import torch
import yaml

from espnet_st.bin.pack import main as pack
from espnet_st.registry import register

ASR = {
    "frontend": "speechtokenizer",
    "specaug": None,
    "normalize": None,
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 8,
        "attention_heads": 2,
        "linear_units": 8,
        "num_blocks": 1,
        "input_layer": "linear",
    },
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 8, "num_blocks": 1},
    "model_conf": {"ctc_weight": 0.5},
    "token_type": "bpe",
    "input_size": None,
}


def make_asr(trained, exp):
    """Write an experiment directory; gives a hash of its weights."""
    exp.mkdir()
    lines = (trained / "prompts/text").read_text().splitlines()
    with (exp / "bpe.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(line.partition(" ")[2] for line in lines),
            model_writer=file,
            vocab_size=40,
            hard_vocab_limit=False,
            minloglevel=2,
        )
    pieces = sentencepiece.SentencePieceProcessor(str(exp / "bpe.model"))
    tokens = [pieces.IdToPiece(n) for n in range(3, len(pieces))]
    register()
    from espnet2.tasks.asr import ASRTask

    config = vars(ASRTask.get_parser().parse_args([])) | ASR
    config |= {
        "frontend_conf": {"codec": str(trained / "codec.zip"), "vectors": "learnt"},
        "bpemodel": str(exp / "bpe.model"),
        "token_list": ["<blank>", "<unk>", *tokens, "<sos/eos>"],
        "output_dir": str(exp),
    }
    torch.manual_seed(0)
    model = ASRTask.build_model(argparse.Namespace(**config))
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save(model.state_dict(), exp / "valid.acc.ave.pth")
    sums = {k: float(v.double().sum()) for k, v in model.state_dict().items()}
    return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()


def main():
    trained, work = map(Path, sys.argv[1:])
    (work / "sums.txt").write_text(make_asr(trained, work / "exp_asr"))
    codec = str(trained / "codec.zip")
    for kind, *options in (
        ["codec", "--model", codec],
        ["uslm", "--model", str(trained / "uslm.zip"), "--codec", codec],
        ["asr", "--model", str(work / "exp_asr")],
    ):
        output = ["--output", str(work / f"{kind}.zip"), "--license", "cc0-1.0"]
        pack([kind, *options, *output])


main()
