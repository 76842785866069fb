"""Write listening tests: pages that raters open in a browser, and their keys."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from espnet_st.bin.options import setup_logging
from espnet_st.slmtokbench.listening.kinds import KINDS
from espnet_st.slmtokbench.listening.page import PageOptions, write_page
from espnet_st.slmtokbench.listening.plan import (
    Materials,
    make_plan,
    missing_material,
    read_materials,
    recipe_materials,
)
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.systems import read_systems


def get_parser() -> argparse.ArgumentParser:
    """Make the command's parser."""
    parser = argparse.ArgumentParser(
        description="Write MUSHRA, MOS and SMOS pages of decoded files: blind, in "
        "balanced orders, equally loud, each with a key of its own in keys/.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--table", help="YAML: systems, reference, prompts, text")
    source.add_argument("--systems", help="YAML of a recipe, whose stage 7 is done")
    parser.add_argument("--output_dir", type=Path, required=True, help="for the pages")
    parser.add_argument(
        "--kind",
        nargs="+",
        choices=KINDS,
        default=None,
        help="which tests; all that can be made, if not given",
    )
    parser.add_argument("--items", type=int, default=12, help="utterances of a test")
    parser.add_argument("--seed", type=int, default=0, help="of items and orders")
    options = PageOptions()
    parser.add_argument(
        "--loudness", type=float, default=options.loudness, help="of all sounds, LUFS"
    )
    parser.add_argument(
        "--max_mb", type=float, default=options.max_mb, help="of a page at most"
    )
    parser.add_argument(
        "--send_to", default=options.send_to, help="what raters do with their answers"
    )
    group = parser.add_argument_group("the recipe, with --systems")
    group.add_argument("--codec_only", choices=("true", "false"), default="false")
    group.add_argument("--exp_dir", type=Path, default="exp", help="of stages 4, 6, 7")
    group.add_argument("--dump_dir", type=Path, default="dump", help="of stages 2, 5")
    group.add_argument("--test_set", default="test")
    group.add_argument("--system_seed", type=int, help="take what has this seed")
    return parser


def find_materials(args: argparse.Namespace) -> dict[str, Materials]:
    """Find the materials of each kind of test."""
    if args.table is not None:
        materials = read_materials(args.table)
        return {name: materials for name in KINDS}
    from espnet_st.inference.audio_coding import AudioCoding  # loads ESPnet

    codec_only = args.codec_only == "true"
    systems = read_systems(
        args.systems, args.exp_dir, args.dump_dir, codec_only, args.system_seed
    )
    # Of the sets, tests read the test set alone, as stage 2 formatted it.
    recipe = Recipe(tuple(systems), args.dump_dir, Path(), "", "", args.test_set)
    n_q = {
        system.key: AudioCoding.from_pretrained(system.codec_exp).n_q
        for system in systems
    }
    return recipe_materials(recipe, n_q)


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    setup_logging()
    options = PageOptions(args.seed, args.loudness, args.max_mb, args.send_to)
    materials = find_materials(args)
    pages = []
    for name in args.kind or KINDS:
        reason = missing_material(KINDS[name], materials[name])
        if reason and args.kind is None:
            logging.warning("no %s page: %s", name, reason)
            continue
        plan = make_plan(KINDS[name], materials[name], args.items, args.seed)
        pages.append(write_page(plan, args.output_dir, options))
    if not pages:
        raise ValueError("no listening test can be made of what there is; see above")
    sys.stdout.write("".join(f"{page}\n" for page in pages))


if __name__ == "__main__":
    main()
