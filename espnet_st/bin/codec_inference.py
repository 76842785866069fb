"""Decode codes to wav files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from torch import Tensor

from espnet_st.bin.options import codec_parser, parse_job
from espnet_st.codes import CodesReader
from espnet_st.data.corpus import read_corpus
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.resynthesis import decode_set


def parse_layers(text: str) -> int:
    """Parse the number of layers of `1` or `1-8`: decoding starts at the first."""
    first, _, last = text.partition("-")
    if first != "1" or not (last or first).isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}; expected 1, 1-2, ... or 1-8")
    return int(last or first)


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's options."""
    parser = codec_parser("Decode codes to wav files.")
    parser.add_argument("--codes_scp", required=True, help="codes to decode")
    parser.add_argument(
        "--layers", type=parse_layers, help="1, or 1-k for the first k; all by default"
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
    codec = AudioCoding.from_pretrained(args.codec, device)
    reader = CodesReader(args.codes_scp)
    originals = read_corpus(args.wav_scp, args.segments) if args.wav_scp else {}
    lengths: dict[str, int] = {}

    def codes_of(key: str) -> Tensor:
        if key in originals:  # here, so that one that cannot be read is named
            lengths[key] = originals[key].count_samples(codec.sample_rate)
        return reader[key][: args.layers]

    decode_set(
        codec, list(reader), codes_of, args.output_dir, args.batch_size, lengths.get
    )


if __name__ == "__main__":
    main()
