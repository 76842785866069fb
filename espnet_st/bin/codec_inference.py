"""Decode codes to wav files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from espnet_st.bin.options import codec_parser, parse_first_layers, parse_job
from espnet_st.codes import CodesReader
from espnet_st.data.corpus import read_corpus
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.resynthesis import resynthesize_set


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's options."""
    parser = codec_parser("Decode codes to wav files.")
    parser.add_argument("--codes_scp", required=True, help="codes to decode")
    parser.add_argument(
        "--layers",
        type=parse_first_layers,
        help="1, or 1-k for the first k; all by default",
    )
    parser.add_argument("--wav_scp", help="the originals, to trim to their lengths")
    parser.add_argument("--segments", help="Kaldi's, of which utterances are originals")
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = get_parser()
    args, device = parse_job(parser, cmd)
    if args.segments and not args.wav_scp:
        parser.error("--segments takes --wav_scp")
    originals = read_corpus(args.wav_scp, args.segments) if args.wav_scp else {}
    resynthesize_set(
        AudioCoding.from_pretrained(args.codec, device),
        CodesReader(args.codes_scp),
        args.output_dir,
        args.batch_size,
        args.layers,
        originals,
    )


if __name__ == "__main__":
    main()
