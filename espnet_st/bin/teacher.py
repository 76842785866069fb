"""Semantic teachers: train a small one, check one, make units or features with one."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch
import yaml

from espnet_st.bin.jobs import setup_logging


def train(args: argparse.Namespace) -> None:
    """Train a small teacher by CTC on phones."""
    from espnet_st.codec.teacher_model import TeacherConfig
    from espnet_st.codec.teacher_training import train_teacher

    if not args.config.is_file():
        raise ValueError(f"no configuration {args.config}")
    values = yaml.safe_load(args.config.read_text(encoding="utf-8")) or {}
    config = TeacherConfig.from_mapping(values)
    if args.smoke == "true":
        config = replace(config, max_steps=4, valid_interval=2, batch_size=4)
    given = {name: getattr(args, name) for name in ("max_steps", "seed")}
    chosen = {name: value for name, value in given.items() if value is not None}
    config = replace(config, **chosen)
    train_teacher(args.train_dir, args.valid_dir, args.output_dir, config, args.ngpu)


def check(args: argparse.Namespace) -> None:
    """Load a teacher, run it, and with a data set measure each layer."""
    from espnet_st.codec.teachers import build_teacher

    teacher = build_teacher(args.teacher, args.layer, args.units_file)
    output = teacher(torch.zeros(1, 16000))
    size = sum(p.numel() for p in teacher.parameters()) / 1e6
    sys.stdout.write(
        f"{args.teacher}: {size:.2f} M parameters, {teacher.n_layers} layers, output "
        f"{teacher.output_size}, {output.shape[1]} frames for one second\n"
    )
    if args.data_dir is not None:
        from espnet_st.bin.teacher_probe import probe_layers, probe_table

        rows = probe_layers(teacher, args.data_dir, args.n_clusters, args.seed)
        sys.stdout.write(probe_table(rows))


def features(args: argparse.Namespace) -> None:
    """Write what a teacher says of all utterances, for training to look up."""
    from espnet_st.bin.teacher_probe import read_waveforms
    from espnet_st.codec.teacher_features import write_features
    from espnet_st.codec.teachers import build_teacher

    conf = {"name": args.teacher, "layer": args.layer}
    if args.units_file is not None:
        conf["units_file"] = args.units_file
    teacher = build_teacher(**conf)
    heard = chain.from_iterable(map(read_waveforms, args.wav_scp))
    items = ((key, teacher(wav)[0]) for key, wav in heard)
    frames = write_features(args.output_dir, conf, items)
    logging.info("%d frames of layer %s in %s", frames, args.layer, args.output_dir)


def units(args: argparse.Namespace) -> None:
    """Cluster one layer's features and write the centroids."""
    from espnet_st.bin.teacher_probe import collect_features, kmeans
    from espnet_st.codec.teachers import build_teacher, write_units

    teacher = build_teacher(args.teacher, args.layer)
    features = collect_features(teacher, args.wav_scp, args.max_utts)
    centroids = kmeans(torch.cat(features), args.n_clusters, args.seed)
    write_units(args.output, centroids, teacher.layer)
    message = "%d units of layer %s in %s"
    logging.info(message, len(centroids), args.layer, args.output)


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    style = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    one = commands.add_parser("train", help=train.__doc__, formatter_class=style)
    one.add_argument("--train_dir", type=Path, required=True, help="wav.scp, phones")
    one.add_argument("--valid_dir", type=Path, required=True, help="wav.scp, phones")
    one.add_argument("--output_dir", type=Path, required=True, help="the teacher")
    one.add_argument("--config", type=Path, required=True, help="YAML")
    one.add_argument("--max_steps", type=int, help="instead of the configuration's")
    one.add_argument("--seed", type=int, help="instead of the configuration's")
    one.add_argument("--ngpu", type=int, default=0, help="1 to use a GPU")
    one.add_argument(
        "--smoke", choices=("true", "false"), default="false", help="four small steps"
    )
    one.set_defaults(run=train)

    one = commands.add_parser("check", help=check.__doc__, formatter_class=style)
    one.add_argument("--teacher", required=True, help="directory or hub name")
    one.add_argument("--layer", default="avg", help="avg, an index or units")
    one.add_argument("--units_file", help="centroids, for units")
    one.add_argument("--data_dir", type=Path, help="measure layers on this data set")
    one.add_argument("--n_clusters", type=int, default=100, help="of k-means")
    one.add_argument("--seed", type=int, default=0, help="of k-means and the probe")
    one.set_defaults(run=check)

    one = commands.add_parser("units", help=units.__doc__, formatter_class=style)
    one.add_argument("--teacher", required=True, help="directory or hub name")
    one.add_argument("--layer", default="avg", help="avg or an index")
    one.add_argument("--n_clusters", type=int, default=500, help="K")
    one.add_argument("--wav_scp", type=Path, required=True, help="what to cluster")
    one.add_argument("--max_utts", type=int, default=500, help="utterances, even steps")
    one.add_argument("--output", type=Path, required=True, help="units.npy")
    one.add_argument("--seed", type=int, default=0, help="of k-means")
    one.set_defaults(run=units)

    one = commands.add_parser("features", help=features.__doc__, formatter_class=style)
    one.add_argument("--teacher", required=True, help="directory or hub name")
    one.add_argument("--layer", default="avg", help="avg, an index or units")
    one.add_argument("--units_file", help="centroids, for units")
    one.add_argument(
        "--wav_scp", type=Path, required=True, nargs="+", help="training, validation"
    )
    one.add_argument("--output_dir", type=Path, required=True, help="the features")
    one.set_defaults(run=features)
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Command line."""
    setup_logging()
    args = get_parser().parse_args(cmd)
    args.run(args)


if __name__ == "__main__":
    main()
