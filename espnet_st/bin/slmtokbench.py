"""Score a recipe's systems with SLMTokBench."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import yaml

from espnet_st.bin.options import setup_logging
from espnet_st.slmtokbench.benchmark import run
from espnet_st.slmtokbench.config import BenchmarkConfig, load_config, override
from espnet_st.slmtokbench.recipe import Recipe


def get_parser() -> argparse.ArgumentParser:
    """The command's options; every setting of the configuration is one too."""
    parser = argparse.ArgumentParser(
        description="Score a recipe's codec, USLM and conversions.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--config", help="YAML of settings")
    parser.add_argument("--codec_exp", type=Path, required=True, help="trained codec")
    parser.add_argument("--baseline_exp", type=Path, help="codec without distillation")
    parser.add_argument("--uslm_exp", type=Path, help="trained USLM")
    parser.add_argument("--valle_exp", type=Path, help="USLM on the baseline's codes")
    parser.add_argument("--dump_dir", type=Path, default="dump", help="of stages 2, 5")
    parser.add_argument("--data_dir", type=Path, default="data", help="of stage 1")
    parser.add_argument(
        "--codes_dir", type=Path, help="codes of the codec; <dump_dir>/codes if absent"
    )
    parser.add_argument(
        "--baseline_codes_dir",
        type=Path,
        help="codes of the baseline; <dump_dir>/codes_<tag> of exp/codec_<tag>",
    )
    parser.add_argument("--train_set", default="train")
    parser.add_argument("--valid_set", default="dev")
    parser.add_argument("--test_set", default="test")
    parser.add_argument("--output_dir", type=Path, required=True, help="for results")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    group = parser.add_argument_group("settings, over those of --config, as YAML")
    for field in dataclasses.fields(BenchmarkConfig):
        group.add_argument(f"--{field.name}", metavar=field.name.upper())
    return parser


def read_settings(args: argparse.Namespace) -> BenchmarkConfig:
    """The configuration with the command line's settings over it."""
    config = load_config(args.config) if args.config else BenchmarkConfig()
    names = [field.name for field in dataclasses.fields(BenchmarkConfig)]
    given = {
        name: yaml.safe_load(getattr(args, name))
        for name in names
        if getattr(args, name) is not None
    }
    return override(config, given)


def read_recipe(args: argparse.Namespace) -> Recipe:
    """Directories from the command line, with their defaults."""
    codes_dir = args.codes_dir or args.dump_dir / "codes"
    baseline_codes = args.baseline_codes_dir
    if args.baseline_exp is not None and baseline_codes is None:
        tag = args.baseline_exp.name.removeprefix("codec_")
        baseline_codes = args.dump_dir / f"codes_{tag}"
    return Recipe(
        codec_exp=args.codec_exp,
        baseline_exp=args.baseline_exp,
        uslm_exp=args.uslm_exp,
        valle_exp=args.valle_exp,
        dump_dir=args.dump_dir,
        data_dir=args.data_dir,
        train_set=args.train_set,
        valid_set=args.valid_set,
        test_set=args.test_set,
        codes_dir=codes_dir,
        baseline_codes_dir=baseline_codes,
    )


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    setup_logging()
    run(read_settings(args), read_recipe(args), args.output_dir, args.nj)


if __name__ == "__main__":
    main()
