"""One-shot voice conversion: the content of one utterance in the voice of another."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from espnet_st.bin.audio import read_index
from espnet_st.bin.codec_inference import AudioCoding
from espnet_st.bin.decoding import decode_set
from espnet_st.bin.jobs import codec_parser, parse_job
from espnet_st.codes import CodesReader
from espnet_st.slmtokbench.conversion import convert, parse_layers


def convert_set(
    codec: AudioCoding,
    codes_scp: str,
    utt2ref: str,
    output_dir: str,
    last_layer: int,
    batch_size: int,
) -> None:
    """Convert all sources of `utt2ref` into `output_dir/wav`, and index them.

    Args:
        codec: decodes the mixed codes.
        codes_scp: codes of sources and references.
        utt2ref: source utterance to reference utterance.
        output_dir: where wavs and `wav.scp` go; what is there is not made again.
        last_layer: last layer that the reference gives, from 2.
        batch_size: utterances decoded at once.
    """
    reader = CodesReader(codes_scp)
    references = read_index(utt2ref)

    def mixed(key: str) -> torch.Tensor:
        absent = [name for name in (key, references[key]) if name not in reader]
        if absent:
            raise ValueError(f"no codes of {' and '.join(absent)} in {codes_scp}")
        return convert(reader[key], reader[references[key]], last_layer)

    decode_set(codec, references, mixed, output_dir, batch_size)


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = codec_parser(
        "Layer 1 of each utterance with layers 2 to k of its reference."
    )
    parser.add_argument("--codes_scp", required=True, help="codes of all utterances")
    parser.add_argument("--utt2ref", required=True, help="source and reference ids")
    parser.add_argument(
        "--layers", default="2-4", help="of the reference, counted from 1: 2 or 2-k"
    )
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args, device = parse_job(get_parser(), cmd)
    codec = AudioCoding.from_pretrained(args.codec, device)
    last_layer = parse_layers(args.layers, codec.n_q)
    convert_set(
        codec,
        args.codes_scp,
        args.utt2ref,
        args.output_dir,
        last_layer,
        args.batch_size,
    )


if __name__ == "__main__":
    main()
