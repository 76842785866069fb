"""The command `espnet-st`: a verb and what it is done to."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from espnet_st import __version__
from espnet_st.bin.verbs import OTHERS, VERBS

WRONG_USAGE = 2
INTERRUPTED = 130  # 128 and the number of the signal, as a shell has it

EPILOG = """examples:
  espnet-st info exp/codec_mini
  espnet-st tokenize speech.wav --model exp/codec_mini
  espnet-st tokenize recordings/ -o codes/ --model exp/codec_mini
  espnet-st tokenize a.wav -o - | espnet-st resynthesize - --layers 1 -o content.wav
  espnet-st convert-voice a.wav --reference b.wav -o a_as_b.wav
  espnet-st synthesize "Hello there." --model exp/uslm_mini --prompt b.wav -o hello.wav

The environment variable ESPNET_ST_MODEL stands for --model. `espnet-st VERB --help`
lists the options of a verb. The exit code is 0, or 1 if some inputs failed (each is
named, and the others are done), or 2 if nothing could be begun."""


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the verb; each verb has one for the rest."""
    verbs = VERBS | OTHERS
    listing = "\n".join(f"  {name:16} {verb.summary}" for name, verb in verbs.items())
    parser = argparse.ArgumentParser(
        prog="espnet-st",
        usage="espnet-st VERB ...",
        description=f"Speech tokens for ESPnet.\n\nverbs:\n{listing}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"espnet-st {__version__}"
    parser.add_argument("--version", action="version", version=version)
    parser.add_argument(
        "verb", choices=verbs, metavar="VERB", help="what to do, one of the above"
    )
    return parser


def hand_on(verb: str, arguments: Sequence[str]) -> int:
    """Run a verb that is a command of its own, which names itself by the verb.

    Raises:
        ValueError: If it is not installed.
    """
    module = OTHERS[verb].module
    try:
        command = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ValueError(f"this installation has no {module}") from error
    sys.argv[0] = f"espnet-st {verb}"
    return command.main(list(arguments)) or 0


def run_verb(verb: str, arguments: Sequence[str]) -> int:
    """Run a verb, and return its exit code."""
    module = importlib.import_module(VERBS[verb].module)
    args = module.get_parser().parse_args(arguments)
    logging.basicConfig(level="WARNING", format=f"espnet-st {verb}: %(message)s")
    return module.run(args)


def main(cmd: Sequence[str] | None = None) -> int:
    """Run the command; what its user can mend is said in a line, without a traceback.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if cmd is None else cmd)
    verb = get_parser().parse_args(arguments[:1]).verb
    run = run_verb if verb in VERBS else hand_on
    try:
        return run(verb, arguments[1:])
    except (ValueError, OSError) as error:
        sys.stderr.write(f"espnet-st {verb}: {error}\n")
        return WRONG_USAGE
    except SystemExit as stop:
        if isinstance(stop.code, str):  # `pick_device`
            sys.stderr.write(f"espnet-st {verb}: {stop.code}\n")
            return WRONG_USAGE
        raise
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
