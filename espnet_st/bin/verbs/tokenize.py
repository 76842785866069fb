"""`espnet-st tokenize`: speech to codes."""

from __future__ import annotations

import argparse
from pathlib import Path

from espnet_st.bin.verbs.options import (
    add_inputs,
    add_model,
    add_output,
    load_codec,
    verb_parser,
)

INDEX = "codes.scp"
FORMATS = ("npy", "kaldi", "packed")


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the verb."""
    parser = verb_parser("tokenize", "Turn speech to codes (n_q, T).")
    add_inputs(parser, "speech")
    add_output(parser, f"a file in .npy, a directory, DIRECTORY/{INDEX} for an archive")
    add_model(parser)
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=argparse.SUPPRESS,
        help="in a directory: a .npy file of each input, or ESPnet's archive, or one "
        "at the bits that codes need (default: npy; kaldi with DIRECTORY/codes.scp)",
    )
    parser.add_argument(
        "--batch_bins",
        type=int,
        default=1_000_000,
        help="samples at once, with padding",
    )
    parser.add_argument(
        "--num_workers", type=int, default=2, help="threads that read ahead"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Tokenize, and return the exit code."""
    from espnet_st.bin.verbs.output import choose_output
    from espnet_st.data.inputs import STANDARD_INPUT, named_inputs
    from espnet_st.inference.code_files import codes_bytes
    from espnet_st.inference.jobs import NothingDone, Skipped
    from espnet_st.inference.resynthesis import call_each
    from espnet_st.inference.tokenization import tokenize_set

    target, form = getattr(args, "output", None), getattr(args, "format", None)
    if target is not None and Path(target).name == INDEX:
        target, form = f"{Path(target).parent}/", form or "kaldi"
    with named_inputs(args.inputs) as inputs:
        from_stdin = args.inputs == [STANDARD_INPUT]
        output = choose_output(target, inputs, from_stdin, ".npy")
        if form is not None and not output.is_directory:
            raise ValueError(f"--format {form} takes -o DIRECTORY")
        codec = load_codec(args)
        if output.is_directory:
            assert output.path is not None
            try:
                skipped = tokenize_set(
                    codec,
                    inputs,
                    output.path,
                    args.batch_size,
                    args.batch_bins,
                    args.num_workers,
                    form or "npy",
                )
            except NothingDone:
                return 1
            return int(bool(skipped))
        failed = Skipped()
        wavs = call_each(
            lambda key: inputs[key].load(codec.sample_rate), list(inputs), failed
        )
        for wav in wavs.values():
            output.write(codes_bytes(codec.encode(wav), codec.codebook_size))
        return int(bool(failed.reasons))
