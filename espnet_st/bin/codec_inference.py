"""Decode codes to wav files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import soundfile

from espnet_st.bin.options import codec_parser, parse_job
from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_index
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.resynthesis import decode_set


def parse_layers(text: str) -> int:
    """Number of layers of `1` or `1-8`: decoding always starts at the first."""
    first, _, last = text.partition("-")
    if first != "1" or not (last or first).isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}; expected 1, 1-2, ... or 1-8")
    return int(last or first)


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = codec_parser("Decode codes to wav files.")
    parser.add_argument("--codes_scp", required=True, help="codes to decode")
    parser.add_argument(
        "--layers", type=parse_layers, default=8, help="1, or 1-k for the first k"
    )
    parser.add_argument(
        "--wav_scp", help="the original files, to trim to their lengths"
    )
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args, device = parse_job(get_parser(), cmd)
    codec = AudioCoding.from_pretrained(args.codec, device)
    reader = CodesReader(args.codes_scp)
    sources = read_index(args.wav_scp) if args.wav_scp else {}
    decode_set(
        codec,
        list(reader),
        lambda key: reader[key][: args.layers],
        args.output_dir,
        args.batch_size,
        lambda key: soundfile.info(sources[key]).frames if key in sources else None,
    )


if __name__ == "__main__":
    main()
