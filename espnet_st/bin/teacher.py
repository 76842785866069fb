"""Train a small semantic teacher, check one, make units or features with one."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml
from tqdm import tqdm

from espnet_st.bin.options import pick_device, setup_logging
from espnet_st.codec.codebook import nearest
from espnet_st.codec.teacher.features import write_features
from espnet_st.codec.teacher.small.model import TeacherConfig
from espnet_st.codec.teacher.small.training import train_teacher
from espnet_st.codec.teacher.teacher import Teacher, build_teacher
from espnet_st.codec.teacher.units import kmeans, read_waveforms, write_units
from espnet_st.data.kaldi import read_ctm, read_table
from espnet_st.slmtokbench.tokens.layer_probe import probe_layer, probe_table


def train(args: argparse.Namespace) -> None:
    """Train a small teacher by CTC on phones."""
    if not args.config.is_file():
        raise ValueError(f"no configuration {args.config}")
    values = yaml.safe_load(args.config.read_text(encoding="utf-8")) or {}
    config = TeacherConfig.from_mapping(values)
    if args.smoke == "true":
        config = replace(config, max_steps=4, valid_interval=2, batch_size=4)
    options = {name: getattr(args, name) for name in ("max_steps", "seed")}
    config = replace(config, **{k: v for k, v in options.items() if v is not None})
    train_teacher(args.train_dir, args.valid_dir, args.output_dir, config, args.ngpu)


def check(args: argparse.Namespace) -> None:
    """Load a teacher, run it, and with a data set measure each layer."""
    teacher = build_teacher(args.teacher, args.layer, args.units_file)
    output = teacher(torch.zeros(1, teacher.sample_rate))
    size = sum(p.numel() for p in teacher.parameters()) / 1e6
    sys.stdout.write(
        f"{args.teacher}: {size:.2f} M parameters, {teacher.n_layers} layers, output "
        f"{teacher.output_size}, {output.shape[1]} frames for one second\n"
    )
    if args.data_dir is not None:
        rows = probe_layers(teacher, args.data_dir, args.n_clusters, args.seed)
        sys.stdout.write(probe_table(rows))


def probe_layers(
    teacher: Teacher, data_dir: Path, n_clusters: int, seed: int
) -> dict[str, dict[str, float]]:
    """Measure all layers and their average on one data set.

    Args:
        teacher: Whose hidden states.
        data_dir: With `wav.scp`, `utt2spk` and `phones.ctm`.
        n_clusters: Of k-means, made and counted on this same set.
        seed: Of k-means and the folds.

    Returns:
        Figures of `probe_layer` by layer: `0`, ..., `avg`.
    """
    states = {}
    for key, wav in read_waveforms(data_dir / "wav.scp", teacher.sample_rate):
        row = [state[0] for state in teacher.hidden_states(wav)]
        states[key] = [*row, torch.stack(row).mean(dim=0)]
    alignments = read_ctm(data_dir / "phones.ctm")
    utt2spk = read_table(data_dir / "utt2spk")
    names = [*map(str, range(teacher.n_layers + 1)), "avg"]
    rows: dict[str, dict[str, float]] = {}
    for i, name in enumerate(tqdm(names, desc="probing", unit="layer")):
        features = {key: row[i] for key, row in states.items()}
        centroids = kmeans(torch.cat(list(features.values())), n_clusters, seed)
        codes = {
            key: np.asarray(nearest(one, centroids)) for key, one in features.items()
        }
        rows[name] = probe_layer(
            features, codes, alignments, utt2spk, n_clusters, teacher.frame_rate, seed
        )
    return rows


def features(args: argparse.Namespace) -> None:
    """Write a teacher's features of all utterances, for training to look up."""
    conf = {"name": args.teacher, "layer": args.layer}
    if args.units_file is not None:
        conf["units_file"] = args.units_file
    teacher = build_teacher(**conf)
    items = (
        (key, teacher(wav)[0])
        for wav_scp in args.wav_scp
        for key, wav in read_waveforms(wav_scp, teacher.sample_rate)
    )
    own = teacher.backbone
    frames = write_features(
        args.output_dir, conf, items, own.sample_rate, own.hop_length
    )
    logging.info("%d frames of layer %s in %s", frames, args.layer, args.output_dir)


def units(args: argparse.Namespace) -> None:
    """Cluster one layer's features and write the centroids."""
    teacher = build_teacher(args.teacher, args.layer)
    waveforms = read_waveforms(args.wav_scp, teacher.sample_rate, args.max_utts)
    features = torch.cat([teacher(wav)[0] for _, wav in waveforms])
    centroids = kmeans(features, args.n_clusters, args.seed)
    write_units(args.output, centroids, teacher.layer)
    message = "%d units of layer %s in %s"
    logging.info(message, len(centroids), args.layer, args.output)


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's options."""
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
    """Run the command."""
    setup_logging()
    args = get_parser().parse_args(cmd)
    pick_device(getattr(args, "ngpu", 0))
    args.run(args)


if __name__ == "__main__":
    main()
