#!/usr/bin/env python3
"""Stage 3: see that the codec of token systems can be loaded, and say what it is."""

import argparse
import logging
import sys

from data_dir import exit_code

from espnet_st.inference.audio_coding import AudioCoding


def check_codec(args: argparse.Namespace) -> None:
    """Load `args.codec`.

    Raises:
        ValueError: If none is named, or it cannot be loaded.
    """
    hint = (
        f"'{args.recipe}/run.sh --stop_stage 4' trains one in {args.recipe}/exp; or "
        "name another with --codec"
    )
    if not args.codec:
        raise ValueError(f"--codec is empty: {hint}")
    try:
        codec = AudioCoding.from_pretrained(args.codec)
    except ValueError as error:
        raise ValueError(f"{error}\n{hint}") from error
    rate = codec.sample_rate
    same = "" if rate == args.fs else f"; waveforms of {args.fs} Hz are resampled"
    logging.info("%s: %d layers, %d Hz%s", args.codec, codec.n_q, rate, same)


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fs", type=int, required=True, help="Hz of the data")
    parser.add_argument("--recipe", required=True, help="that may make the codec")
    parser.add_argument("codec", help="what AudioCoding.from_pretrained takes")
    return exit_code(check_codec, parser.parse_args(cmd))


if __name__ == "__main__":
    sys.exit(main())
