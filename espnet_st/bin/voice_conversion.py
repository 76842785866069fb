"""One-shot voice conversion: the content of one utterance in the voice of another.

Either by code swapping (paper, section 5.2), or by the NAR model of a USLM, which
writes the acoustic codes anew, prompted by the reference.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from espnet_st.bin.audio import read_index
from espnet_st.bin.codec_inference import AudioCoding
from espnet_st.bin.decoding import decode_set
from espnet_st.bin.jobs import codec_parser, parse_job
from espnet_st.codes import CodesReader
from espnet_st.slmtokbench.conversion import convert, parse_layers
from espnet_st.uslm.decoding import Prompt, revoice

if TYPE_CHECKING:
    from espnet_st.bin.tts_inference import Text2Speech

Mix = Callable[[str, str, torch.Tensor, torch.Tensor], torch.Tensor]
"""Names and codes (n_q, T) and (n_q, T') of source and reference to codes (k, T)."""


def swapping(last_layer: int) -> Mix:
    """Layers 2 to `last_layer` of the reference, the first of the source."""
    return lambda source, reference, content, voice: convert(content, voice, last_layer)


def by_nar(tts: Text2Speech, texts: dict[str, str]) -> Mix:
    """The NAR model completes the first layer of the source after the reference.

    Args:
        tts: The USLM.
        texts: What utterances say, as far as it is known; may be empty. The NAR model
            gets the words that there are, at the frames where they sound.
    """

    def mixed(source, reference, content, voice):
        said = [
            tts.tokens(texts[name]) if name in texts else None
            for name in (source, reference)
        ]
        prompt = Prompt(said[1], voice)
        return revoice(tts.tts, [content[0]], said[:1], [prompt])[0].cpu()

    return mixed


def convert_set(
    codec: AudioCoding,
    codes_scp: str,
    utt2ref: str,
    output_dir: str,
    mix: Mix,
    batch_size: int,
) -> None:
    """Convert all sources of `utt2ref` into `output_dir/wav`, and index them.

    Args:
        codec: decodes the mixed codes.
        codes_scp: codes of sources and references.
        utt2ref: source utterance to reference utterance.
        output_dir: where wavs and `wav.scp` go; what is there is not made again.
        mix: makes codes of both.
        batch_size: utterances decoded at once.
    """
    reader = CodesReader(codes_scp)
    references = read_index(utt2ref)

    def mixed(key: str) -> torch.Tensor:
        absent = [name for name in (key, references[key]) if name not in reader]
        if absent:
            raise ValueError(f"no codes of {' and '.join(absent)} in {codes_scp}")
        return mix(key, references[key], reader[key], reader[references[key]])

    decode_set(codec, references, mixed, output_dir, batch_size)


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = codec_parser("Layer 1 of each utterance in the voice of its reference.")
    parser.add_argument("--codes_scp", required=True, help="codes of all utterances")
    parser.add_argument("--utt2ref", required=True, help="source and reference ids")
    parser.add_argument(
        "--method",
        choices=("swap", "nar"),
        default="swap",
        help="take layers of the reference, or let the NAR model of --uslm write them",
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
    if args.method == "nar":
        from espnet_st.bin.tts_inference import Text2Speech

        tts = Text2Speech.from_pretrained(args.uslm, codec=codec, device=device)
        mix = by_nar(tts, read_index(args.text) if args.text else {})
    else:
        mix = swapping(parse_layers(args.layers, codec.n_q))
    convert_set(
        codec, args.codes_scp, args.utt2ref, args.output_dir, mix, args.batch_size
    )


if __name__ == "__main__":
    main()
