"""Convert between an official release and an ESPnet experiment directory."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from espnet_st.bin import convert_uslm
from espnet_st.bin.experiment import make_directory, write_experiment
from espnet_st.bin.jobs import setup_logging
from espnet_st.bin.loading import (
    GENERATOR,
    OFFICIAL_CHECKPOINT,
    check_state,
    load_codec,
)
from espnet_st.bin.uslm_release import is_release
from espnet_st.codec.generator import Generator
from espnet_st.codec.official import (
    conf_from_official,
    conf_to_official,
    state_to_official,
)
from espnet_st.uslm.official import N_HEADS

KEPT = "official.json"
"""The official `config.json` as it came, kept in an experiment directory made of it."""


def to_espnet(source: str, output: Path, model_file: Path | None = None) -> None:
    """Write an experiment directory of an official release.

    Its `config.yaml` holds all options of ESPnet's `GANCodecTask`; `latest.pth` holds
    the generator, which is all that was released: it can be decoded with, packed, and
    trained further with `--init_param`.

    Args:
        source: A directory with `config.json` and `SpeechTokenizer.pt`.
        output: A new directory.
        model_file: Another checkpoint.

    Raises:
        ValueError: If a file is missing, damaged, or does not fit the other.
    """
    conf, state = load_codec(source, model_file)
    make_directory(output)
    # Importing ESPnet's tasks is slow, and only their options are needed.
    from espnet_st.registry import register

    register()
    from espnet2.tasks.gan_codec import GANCodecTask

    config = vars(GANCodecTask.get_parser().parse_args([]))
    config |= {"codec": "speechtokenizer", "codec_conf": conf}
    write_experiment(output, config, state)
    shutil.copyfile(Path(source) / "config.json", output / KEPT)


def to_official(source: str, output: Path, model_file: Path | None = None) -> None:
    """Write `config.json` and `SpeechTokenizer.pt` of a codec that ESPnet trained.

    A release that `to_espnet` converted gets its own `config.json` again; else it has
    the options that shape the model and no others.

    Args:
        source: What `AudioCoding.from_pretrained` takes.
        output: A new directory.
        model_file: Its checkpoint; by default the one that `source` has.

    Raises:
        ValueError: If a file is missing or damaged, or the official code cannot have
            such a model.
    """
    conf, state = load_codec(source, model_file)
    config = conf_to_official(conf)
    with torch.device("meta"):
        generator = Generator(**conf)
    own = {key: tensor for key, tensor in state.items() if key.startswith(GENERATOR)}
    shapes = generator.state_dict()
    check_state({GENERATOR + key: shape for key, shape in shapes.items()}, own)
    own = {key.removeprefix(GENERATOR): tensor for key, tensor in own.items()}
    state = state_to_official(own, generator)
    text = json.dumps(config, indent=4)
    kept = Path(source) / KEPT
    if kept.is_file():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if conf_from_official(known) == conf_from_official(config):
            text = kept.read_text(encoding="utf-8")
    make_directory(output)
    (output / "config.json").write_text(text, encoding="utf-8")
    torch.save(state, output / OFFICIAL_CHECKPOINT)


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description="Convert an official release to an ESPnet experiment directory, or "
        "a model that ESPnet trained to the official release's form."
    )
    parser.add_argument(
        "--codec",
        help="the codec to convert; with --uslm the codec of its codes, for codec.yaml",
    )
    parser.add_argument("--uslm", type=Path, help="directory of the USLM to convert")
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="a new directory"
    )
    parser.add_argument("--model_file", type=Path, help="another checkpoint of it")
    parser.add_argument(
        "--n_heads",
        type=int,
        default=N_HEADS,
        help="attention heads of an official USLM, which its files do not tell "
        "(default: %(default)s)",
    )
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    if not args.codec and not args.uslm:
        parser.error("give --codec or --uslm")
    setup_logging()
    if args.uslm:
        official = is_release(args.uslm)
        if official:
            convert_uslm.to_espnet(
                args.uslm, args.output_dir, args.model_file, args.codec, args.n_heads
            )
        else:
            convert_uslm.to_official(args.uslm, args.output_dir, args.model_file)
    else:
        here = Path(args.codec)
        official = (here / "config.json").is_file()
        official = official and not (here / "config.yaml").is_file()
        convert = to_espnet if official else to_official
        convert(args.codec, args.output_dir, args.model_file)
    made = "ESPnet's" if official else "the official"
    logging.info("%s is %s in %s form", args.output_dir, args.uslm or args.codec, made)


if __name__ == "__main__":
    main()
