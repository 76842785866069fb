"""`espnet-st resynthesize`: codes to speech, or speech through the codec."""

from __future__ import annotations

import argparse

from espnet_st.bin.options import parse_first_layers
from espnet_st.bin.verbs.options import (
    add_inputs,
    add_model,
    add_output,
    load_codec,
    verb_parser,
)


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the verb."""
    parser = verb_parser(
        "resynthesize", "Turn codes to speech. Speech is turned to codes before."
    )
    add_inputs(parser, "codes (.npy, codes.scp) or speech")
    add_output(parser, "a file in .wav, a directory")
    add_model(parser)
    parser.add_argument(
        "--layers",
        type=parse_first_layers,
        default=argparse.SUPPRESS,
        help="1, or 1-k for the first k (default: all)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Resynthesize, and return the exit code."""
    from espnet_st.bin.verbs.output import choose_output
    from espnet_st.bin.verbs.wavs import write_wavs
    from espnet_st.data.inputs import STANDARD_INPUT, named_inputs
    from espnet_st.inference.encoding import CODES, TABLES, CodesOfInputs

    with named_inputs(args.inputs, TABLES, CODES) as inputs:
        from_stdin = args.inputs == [STANDARD_INPUT]
        target = getattr(args, "output", None)
        output = choose_output(target, inputs, from_stdin, ".wav", "_resynthesized")
        codec = load_codec(args)
        layers = getattr(args, "layers", codec.n_q)
        sources = CodesOfInputs(codec, inputs, layers)
        settings = {"layers": layers}
        return write_wavs(
            codec, inputs, sources, sources, output, args.batch_size, settings
        )
