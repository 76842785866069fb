"""Serve a page on which everyone can hear what a codec's layers hold."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from espnet_st.bin.options import pick_device, setup_logging
from espnet_st.demo.inputs import Limits
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.text2speech import Text2Speech


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="espnet-st demo",
        description="Serve a page: record speech, hear the layers of its codes, swap "
        "them with another voice, speak texts. It needs no network.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--codec", help="directory, packed zip or name of a codec; or that of --uslm")
    add("--uslm", help="directory, packed zip or name of a USLM, to speak texts")
    add("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    add("--port", type=int, help="default: the first free one from 7860 on")
    add("--max_seconds", type=float, default=Limits.seconds, help="longest speech")
    add("--max_megabytes", type=float, default=Limits.megabytes, help="largest file")
    add("--max_characters", type=int, default=Limits.characters, help="longest text")
    add("--ngpu", type=int, default=0, help="1 to use a GPU")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = get_parser()
    args = parser.parse_args(arguments)
    if not args.codec and not args.uslm:
        parser.error("give --codec, --uslm or both")
    if find_spec("gradio") is None:
        parser.error("the page needs gradio: pip install 'espnet_st[demo]'")
    setup_logging()
    logging.getLogger("httpx").setLevel("WARNING")
    # As Ctrl-C does it: nothing that people recorded stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    device = pick_device(args.ngpu)
    limits = Limits(args.max_seconds, args.max_megabytes, args.max_characters)
    try:
        limits.check()
        tts = None
        if args.uslm:
            tts = Text2Speech.from_pretrained(
                args.uslm, codec=args.codec, device=device
            )
            codec = tts.codec
        else:
            codec = AudioCoding.from_pretrained(args.codec, device)
        from espnet_st.demo.page import serve

        given = {"codec": args.codec, "USLM": args.uslm}
        names = [f"{kind} {Path(one).name}" for kind, one in given.items() if one]
        serve(codec, tts, names, limits, args.host, args.port)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
