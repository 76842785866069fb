#!/usr/bin/env python3
"""Real-time factor of zero-shot synthesis, from a prompt's samples and text to samples.

A USLM of the paper's size and a codec of release size, both of random weights; every
sentence is made as long as it is told to be.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
import yaml
from measure import alternate, table
from release import CONF, make_generator, noise, save

from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.uslm.decoding.prompts import Prompt
from espnet_st.uslm.decoding.weight_precision import DTYPES, set_weight_precision
from espnet_st.uslm.uslm import USLM

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "egs2/TEMPLATE/speechtok1/conf/tuning/train_uslm_paper.yaml"
VOCAB, TEXT, FRAME_RATE, PROMPT = 100, 50, 50, 3
PARTS = ("encoding the prompt", "USLM", "decoding")


def make_codec(args: argparse.Namespace) -> AudioCoding:
    """Make a codec of random weights."""
    with tempfile.TemporaryDirectory() as name:
        save(make_generator([noise(64000, seed) for seed in range(16)]), Path(name))
        return AudioCoding.from_pretrained(name, args.device, args.codec_dtype)


def make_uslm(args: argparse.Namespace, dtype: str) -> USLM:
    """Make a USLM of random weights."""
    config = yaml.safe_load((ROOT / CONFIG).read_text(encoding="utf-8"))
    size = dict(ar_layers=args.layers, nar_layers=args.layers)
    uslm = USLM(VOCAB, CONF["quantizer_conf"]["n_q"], **config["tts_conf"] | size)
    uslm.eval().requires_grad_(False).to(args.device)
    set_weight_precision(uslm, dtype)
    return uslm


def factors(
    args: argparse.Namespace, codec: AudioCoding, uslm: USLM, batch: int
) -> list[float]:
    """Measure the seconds of each of `PARTS` for a second of speech, in a batch."""
    ratio = args.seconds * FRAME_RATE / TEXT
    voices = [noise(PROMPT * CONF["sample_rate"], seed) for seed in range(batch)]
    texts = list(torch.randint(1, VOCAB, (batch, 2, TEXT)))
    made: dict[str, list] = {}

    def encode() -> None:
        made["prompts"] = codec.encode_batch(voices)

    def synthesize() -> None:
        prompts = map(Prompt, (prompt for prompt, _ in texts), made["prompts"])
        made["results"] = uslm.synthesize(
            [text for _, text in texts],
            list(prompts),
            minlenratio=ratio,
            maxlenratio=ratio,
            seeds=range(batch),
        )

    def decode() -> None:
        made["wavs"] = codec.decode_batch([one.codes.cpu() for one in made["results"]])

    parts = dict(zip(PARTS, (encode, synthesize, decode)))
    seconds, _ = alternate(parts, args.repetitions)
    speech = sum(map(len, made["wavs"])) / CONF["sample_rate"]
    return [seconds[part].clock / speech for part in PARTS]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--batches", type=int, nargs="+", default=[1, 16])
    add("--seconds", type=float, default=5.0, help="of speech for each text")
    add("--dtypes", nargs="+", choices=DTYPES, default=["float32", "bfloat16"])
    add("--codec_dtype", choices=("float32", "bfloat16"), default="float32")
    add("--layers", type=int, default=12, help="of each of the USLM's models")
    add("--repetitions", type=int, default=3)
    add("--threads", type=int, default=torch.get_num_threads())
    add("--device", default="cpu", choices=("cpu", "cuda"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    print(f"{vars(args)}\n")
    codec, rows = make_codec(args), []
    for dtype in args.dtypes:
        uslm = make_uslm(args, dtype)
        for batch in args.batches:
            each = factors(args, codec, uslm, batch)
            rows.append([dtype, batch, *(f"{one:.3f}" for one in [*each, sum(each)])])
    print(table(["USLM's weights", "batch", *PARTS, "real-time factor"], rows))


if __name__ == "__main__":
    main()
