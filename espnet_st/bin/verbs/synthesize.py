"""`espnet-st synthesize`: text to speech."""

from __future__ import annotations

import argparse
import logging

from espnet_st.bin.options import pick_device
from espnet_st.bin.verbs.options import add_model, add_output, model_of, verb_parser


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the verb."""
    from espnet_st.bin.tts_options import add_decoding

    parser = verb_parser("synthesize", "Speak a text in the voice of a prompt.")
    parser.add_argument("text", metavar="TEXT", help="what to say; - reads it")
    add_output(parser, "a file in .wav", "out.wav")
    add_model(parser, "USLM", "float32, bfloat16 or int8")
    none = argparse.SUPPRESS
    parser.add_argument("--codec", default=none, help="its codec, if it names none")
    parser.add_argument(
        "--prompt", default=none, help="a file of speech: the voice (default: random)"
    )
    parser.add_argument("--prompt_text", default=none, help="what the prompt says")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    add_decoding(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Synthesize, and return the exit code."""
    from espnet_st.bin.tts_options import read_decoding
    from espnet_st.bin.verbs.output import choose_output
    from espnet_st.data.audio import wav_bytes
    from espnet_st.data.corpus import Utterance
    from espnet_st.data.inputs import STANDARD_INPUT, read_standard_input
    from espnet_st.inference.text2speech import Text2Speech

    text = args.text
    if text == STANDARD_INPUT:
        text = read_standard_input().decode().strip()
    inputs = {"out": Utterance("")}
    output = choose_output(getattr(args, "output", None), inputs, False, ".wav")
    if output.is_directory:
        raise ValueError(f"-o {output.path} is a directory; expected a name in .wav")
    model, device = model_of(args), pick_device(args.ngpu)
    try:
        tts = Text2Speech.from_pretrained(
            model,
            codec=getattr(args, "codec", None),
            device=device,
            dtype=args.dtype,
            seed=args.seed,
            **read_decoding(args),
        )
    except ValueError as error:
        raise ValueError(f"model {model}: {error}") from error
    try:
        prompt = getattr(args, "prompt", None)
        result = tts(text, prompt, getattr(args, "prompt_text", None))
    except ValueError as error:
        logging.warning("%s", error)
        return 1
    output.write(wav_bytes(result["wav"], tts.fs))
    return 0
