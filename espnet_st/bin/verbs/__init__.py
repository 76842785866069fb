"""The verbs of `espnet-st`, one file each; see `bin.cli`, which runs them.

A verb's module has a `get_parser` and a `run`, which takes what the parser gives and
returns the exit code. What takes time to import is imported in `run`, so that `--help`
and wrong options are answered at once.
"""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """Says what a verb does, and where it is.

    Attributes:
        module: Its module; of another command, whose `main` takes all arguments.
        summary: A line for `espnet-st --help`.
    """

    module: str
    summary: str


VERBS = {
    "tokenize": Verb("espnet_st.bin.verbs.tokenize", "speech to codes"),
    "resynthesize": Verb(
        "espnet_st.bin.verbs.resynthesize", "codes to speech, or speech to speech"
    ),
    "convert-voice": Verb(
        "espnet_st.bin.verbs.convert_voice", "speech in the voice of a reference"
    ),
    "synthesize": Verb("espnet_st.bin.verbs.synthesize", "text to speech"),
    "info": Verb("espnet_st.bin.verbs.info", "what a codec or a USLM is"),
    "bench": Verb("espnet_st.bin.verbs.bench", "score anybody's speech tokens"),
}

OTHERS = {
    "listening-pages": Verb(
        "espnet_st.bin.listening_pages", "listening tests to rate systems with"
    ),
    "listening-scores": Verb(
        "espnet_st.bin.listening_scores", "raters' answers to figures"
    ),
    "convert": Verb("espnet_st.bin.convert", "official releases, both ways"),
    "pack": Verb("espnet_st.bin.pack", "make a model ready to be shared"),
    "demo": Verb("espnet_st.bin.demo", "try a model in the browser"),
}
"""Verbs that are commands of their own."""
