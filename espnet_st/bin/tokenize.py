"""Tokenize a corpus: a wav.scp to an archive of codes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice

from espnet_st.bin.options import codec_parser, parse_job
from espnet_st.data.corpus import read_corpus
from espnet_st.inference.audio_coding import DTYPES, AudioCoding
from espnet_st.inference.tokenization import tokenize_set


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's options."""
    parser = codec_parser("Tokenize a corpus.")
    parser.add_argument("--wav_scp", required=True, help="what to tokenize")
    parser.add_argument("--segments", help="Kaldi's, to cut recordings into utterances")
    parser.add_argument(
        "--batch_bins",
        type=int,
        default=1_000_000,
        help="samples at once, with padding",
    )
    parser.add_argument(
        "--num_workers", type=int, default=2, help="threads that read ahead"
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="float32",
        help="precision; auto: what is fast",
    )
    parser.add_argument(
        "--format",
        choices=("kaldi", "packed"),
        default="kaldi",
        help="float32 matrices that ESPnet reads, or codes at the bits they need",
    )
    parser.add_argument("--nj", type=int, default=1, help="jobs that share the corpus")
    parser.add_argument(
        "--job",
        type=int,
        default=1,
        help="which of them this is; each has its own output_dir",
    )
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = get_parser()
    args, device = parse_job(parser, cmd)
    for name in ("batch_size", "batch_bins", "num_workers"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}; expected at least 1")
    if not 1 <= args.job <= args.nj:
        parser.error(f"--job is {args.job}; expected 1 to --nj, {args.nj}")
    utterances = read_corpus(args.wav_scp, args.segments)
    codec = AudioCoding.from_pretrained(args.codec, device, args.dtype)
    tokenize_set(
        codec,
        # Every nj-th: neighbours are of like length, so jobs take equally long.
        dict(islice(utterances.items(), args.job - 1, None, args.nj)),
        args.output_dir,
        args.batch_size,
        args.batch_bins,
        args.num_workers,
        args.format,
    )


if __name__ == "__main__":
    main()
