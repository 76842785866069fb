"""Speak sets of texts in the voices of prompts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from espnet_st.bin.options import pick_device, setup_logging
from espnet_st.bin.tts_options import parse_options, read_decoding
from espnet_st.inference.synthesis import Inputs, synthesize_set
from espnet_st.inference.text2speech import Text2Speech


def read_keys(path: str) -> list[str]:
    """Read the first word of each line of a file.

    Raises:
        ValueError: If the file is missing.
    """
    if not Path(path).is_file():
        raise ValueError(f"no key file {path}")
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parse_options(cmd)
    setup_logging(args.log_level)
    logging.info("%s", vars(args))
    device = pick_device(args.ngpu)
    decoding = read_decoding(args)
    inputs = Inputs(args.data_path_and_name_and_type)
    source = dict(model_tag=args.uslm, model_file=args.model_file)
    if args.train_config:
        source = dict(train_config=args.train_config, model_file=args.model_file)
    tts = Text2Speech.from_pretrained(
        **source,
        codec=args.codec,
        device=device,
        dtype=args.dtype,
        seed=args.seed,
        max_tokens=args.max_tokens,
        batch_size=args.batch_size,
        **decoding,
    )
    logging.info("decoding with %s, of which were given: %s", tts.options, [*decoding])
    names = read_keys(args.key_file) if args.key_file else None
    synthesize_set(tts, inputs, args.output_dir, args.batch_size, names)


if __name__ == "__main__":
    main()
