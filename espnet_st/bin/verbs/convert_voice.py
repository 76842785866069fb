"""`espnet-st convert-voice`: speech in the voice of a reference."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from espnet_st.bin.verbs.options import (
    add_inputs,
    add_model,
    add_output,
    load_codec,
    verb_parser,
)

if TYPE_CHECKING:
    from torch import Tensor

    from espnet_st.inference.jobs import Skipped


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the verb."""
    parser = verb_parser(
        "convert-voice",
        "Speak what an input says in the voice of a reference: with its layers of "
        "codes, or, with --uslm, with layers that the NAR model predicts after it.",
    )
    add_inputs(parser, "speech or codes")
    add_output(parser, "a file in .wav, a directory")
    add_model(parser)
    parser.add_argument(
        "--reference", required=True, help="a file of speech or codes: the voice"
    )
    parser.add_argument(
        "--layers", default="2-4", help="of the reference, without --uslm: 2 or 2-k"
    )
    none = argparse.SUPPRESS
    parser.add_argument(
        "--uslm", default=none, help="directory, packed zip or name of a USLM"
    )
    parser.add_argument(
        "--text", default=none, help="with --uslm: a table of what inputs say, if known"
    )
    parser.add_argument(
        "--reference_text", default=none, help="with --uslm: what the reference says"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Convert voices, and return the exit code."""
    from espnet_st.bin.options import pick_device
    from espnet_st.bin.verbs.output import choose_output
    from espnet_st.bin.verbs.wavs import write_wavs
    from espnet_st.data.inputs import STANDARD_INPUT, named_inputs
    from espnet_st.data.kaldi import read_table
    from espnet_st.inference.encoding import (
        CODES,
        TABLES,
        CodesOfInputs,
        codes_of_source,
    )
    from espnet_st.inference.jobs import tensor_digest
    from espnet_st.inference.resynthesis import call_each
    from espnet_st.inference.voice_conversion import build_conversion

    uslm = getattr(args, "uslm", None)
    texts = read_table(args.text) if hasattr(args, "text") else {}
    if hasattr(args, "reference_text"):
        texts |= {args.reference: args.reference_text}
    if texts and uslm is None:
        raise ValueError("--text and --reference_text take --uslm")
    with named_inputs(args.inputs, TABLES, CODES) as inputs:
        from_stdin = args.inputs == [STANDARD_INPUT]
        target = getattr(args, "output", None)
        output = choose_output(target, inputs, from_stdin, ".wav", "_converted")
        codec = load_codec(args)
        convert, way = build_conversion(
            codec, args.layers, uslm, texts, pick_device(args.ngpu)
        )
        reference = codes_of_source(codec, args.reference)
        sources = CodesOfInputs(codec, inputs)

        def codes_of(keys: Sequence[str], skipped: Skipped) -> dict[str, Tensor]:
            codes = sources(keys, skipped)
            return call_each(
                lambda key: convert(key, args.reference, codes[key], reference),
                list(codes),
                skipped,
            )

        settings = way | {"reference": tensor_digest(reference)}
        return write_wavs(
            codec, inputs, sources, codes_of, output, args.batch_size, settings
        )
