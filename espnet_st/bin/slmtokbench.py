"""Score a recipe's systems with SLMTokBench."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml

from espnet_st.bin.options import pick_device, setup_logging
from espnet_st.slmtokbench.benchmark import run
from espnet_st.slmtokbench.config import (
    BenchmarkConfig,
    all_options,
    load_config,
    override,
)
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.systems import read_systems


def get_parser() -> argparse.ArgumentParser:
    """Make the command's parser; every setting of the configuration is an option."""
    parser = argparse.ArgumentParser(
        description="Score a recipe's codecs, language models and conversions.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--config", help="YAML of settings")
    parser.add_argument("--systems", required=True, help="YAML, see `systems.py`")
    parser.add_argument(
        "--codec_only",
        choices=("true", "false"),
        default="false",
        help="leave out the systems' language models",
    )
    parser.add_argument("--exp_dir", type=Path, default="exp", help="of stages 4, 6, 7")
    parser.add_argument("--dump_dir", type=Path, default="dump", help="of stages 2, 5")
    parser.add_argument("--data_dir", type=Path, default="data", help="of stage 1")
    parser.add_argument("--train_set", default="train")
    parser.add_argument("--valid_set", default="dev")
    parser.add_argument("--test_set", default="test")
    parser.add_argument(
        "--other_sets", nargs="*", default=(), help="resynthesized, shown, not scored"
    )
    parser.add_argument("--system_seed", type=int, help="score what has this seed")
    parser.add_argument("--output_dir", type=Path, required=True, help="for results")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument(
        "--ngpu", type=int, default=0, help="1 to train the downstream models on a GPU"
    )
    group = parser.add_argument_group("settings, over those of --config, as YAML")
    for name, setting in all_options().items():
        group.add_argument(f"--{name}", metavar=type(setting.default).__name__)
    return parser


def read_settings(args: argparse.Namespace) -> BenchmarkConfig:
    """Read the configuration, with the command line's settings over it."""
    config = load_config(args.config) if args.config else BenchmarkConfig()
    options = {name: getattr(args, name) for name in all_options()}
    values = {k: yaml.safe_load(v) for k, v in options.items() if v is not None}
    return override(config, values)


def read_recipe(args: argparse.Namespace) -> Recipe:
    """Read the systems, and where the recipe keeps things."""
    systems = read_systems(
        args.systems,
        args.exp_dir,
        args.dump_dir,
        args.codec_only == "true",
        args.system_seed,
    )
    return Recipe(
        systems=tuple(systems),
        dump_dir=args.dump_dir,
        data_dir=args.data_dir,
        train_set=args.train_set,
        valid_set=args.valid_set,
        test_set=args.test_set,
        other_sets=tuple(args.other_sets),
    )


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    setup_logging()
    device = pick_device(args.ngpu)
    run(read_settings(args), read_recipe(args), args.output_dir, args.nj, device)


if __name__ == "__main__":
    main()
