"""Tokenize a corpus: a wav.scp to an archive of codes, or to asr2's text of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from espnet_st.bin.options import codec_parser, parse_job
from espnet_st.data.corpus import read_corpus
from espnet_st.inference.audio_coding import DTYPES, AudioCoding
from espnet_st.inference.code_tokens import TOKEN_TYPES, TokenOptions
from espnet_st.inference.src_text import write_src_text, write_src_text_like
from espnet_st.inference.tokenization import tokenize_set


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's options."""
    parser = codec_parser("Tokenize a corpus.")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--wav_scp", help="what to tokenize")
    given.add_argument(
        "--codes_scp", help="codes of an earlier run, for --format asr2 in place of it"
    )
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
        choices=("kaldi", "packed", "asr2"),
        default="kaldi",
        help="float32 matrices that ESPnet reads, or codes at the bits they need, or "
        "the source text of ESPnet's discrete ASR with its token list",
    )
    parser.add_argument("--nj", type=int, default=1, help="jobs that share the corpus")
    parser.add_argument(
        "--job",
        type=int,
        default=1,
        help="which of them this is; each has its own output_dir",
    )
    group = parser.add_argument_group("for --format asr2")
    group.add_argument("--tokens", help="what such a run made of the training set")
    group.add_argument("--layers", help="k or j-k, counted from 1; 1 if not given")
    group.add_argument(
        "--token_type",
        choices=TOKEN_TYPES,
        help="ESPnet's --src_token_type: codes by name (word, if not given), a "
        "character for each, or pieces of these",
    )
    group.add_argument(
        "--deduplicate",
        choices=("true", "false"),
        help="whether to drop frames equal to the one before; true if not given",
    )
    group.add_argument("--pieces", type=int, help="of token type bpe, to train")
    return parser


def tokenize(
    args: argparse.Namespace, codec: AudioCoding, output: Path
) -> dict[str, str]:
    """Encode this job's part of a wav.scp into `output`; give what was skipped."""
    utterances = read_corpus(args.wav_scp, args.segments)
    return tokenize_set(
        codec,
        # Every nj-th: neighbours are of like length, so jobs take equally long.
        dict(islice(utterances.items(), args.job - 1, None, args.nj)),
        output,
        args.batch_size,
        args.batch_bins,
        args.num_workers,
        "kaldi" if args.format == "asr2" else args.format,
    )


def write_text(args: argparse.Namespace, codec: AudioCoding) -> None:
    """Write asr2's source text of a wav.scp, or of codes that are there."""
    output, codes_scp, bad = Path(args.output_dir), args.codes_scp, {}
    if codes_scp is None:
        bad = tokenize(args, codec, output / "codes")
        codes_scp = output / "codes/codes.scp"
    if args.tokens:
        write_src_text_like(args.tokens, codes_scp, codec.codebooks, output, bad)
        return
    options = TokenOptions(
        args.layers or "1", args.token_type or "word", args.deduplicate != "false"
    )
    write_src_text(codes_scp, codec.codebooks, output, options, args.pieces or 0, bad)


def check_asr2(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        SystemExit: With a message of the parser.
    """
    making = ("layers", "token_type", "deduplicate", "pieces")
    given = [name for name in making if getattr(args, name) is not None]
    if args.format != "asr2":
        given += [name for name in ("tokens", "codes_scp") if getattr(args, name)]
        if given:
            parser.error(f"--{given[0]} is of --format asr2")
    elif args.tokens and given:
        parser.error(f"--{given[0]} with --tokens {args.tokens}, which says it already")
    elif args.nj > 1 and not args.tokens:
        parser.error(
            f"--nj {args.nj} without --tokens: tokens are made of the whole training "
            "set; tokenize it with jobs first and give --codes_scp"
        )


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = get_parser()
    args, device = parse_job(parser, cmd)
    for name in ("batch_size", "batch_bins", "num_workers"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}; expected at least 1")
    if not 1 <= args.job <= args.nj:
        parser.error(f"--job is {args.job}; expected 1 to --nj, {args.nj}")
    check_asr2(parser, args)
    codec = AudioCoding.from_pretrained(args.codec, device, args.dtype)
    if args.format == "asr2":
        write_text(args, codec)
    else:
        tokenize(args, codec, Path(args.output_dir))


if __name__ == "__main__":
    main()
