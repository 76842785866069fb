"""Convert voices: the content of one utterance in the voice of another."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from espnet_st.bin.options import codec_parser, parse_job
from espnet_st.data.kaldi import read_table
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.jobs import model_digest
from espnet_st.inference.voice_conversion import build_conversion, convert_set


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = codec_parser("Speak each utterance in the voice of its reference.")
    parser.add_argument("--codes_scp", required=True, help="codes of all utterances")
    parser.add_argument("--utt2ref", required=True, help="source and reference ids")
    parser.add_argument("--utt2src", help="where the ids of --utt2ref name pairs")
    parser.add_argument(
        "--method",
        choices=("swap", "nar"),
        default="swap",
        help="take layers of the reference, or predict them by the NAR model of --uslm",
    )
    parser.add_argument(
        "--layers",
        default="2-4",
        help="swap: of the reference, counted from 1: 2 or 2-k",
    )
    parser.add_argument("--uslm", help="nar: directory, packed zip or name of a USLM")
    parser.add_argument("--text", help="nar: what utterances say, where it is known")
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = get_parser()
    args, device = parse_job(parser, cmd)
    if (args.method == "nar") != bool(args.uslm):
        parser.error("--method nar takes --uslm, and no other method does")
    codec = AudioCoding.from_pretrained(args.codec, device)
    texts = read_table(args.text) if args.text else {}
    convert, way = build_conversion(codec, args.layers, args.uslm, texts, device)
    convert_set(
        codec,
        args.codes_scp,
        args.utt2ref,
        args.output_dir,
        convert,
        args.batch_size,
        {"codec": model_digest(codec.generator)} | way,
        args.utt2src,
    )


if __name__ == "__main__":
    main()
