#!/usr/bin/env python3
"""Stage 2: bring a data directory to one rate, one channel and a range of durations.

Utterances that cannot be used (missing, corrupt, silent, NaN) or that are too short or
too long are left out, each named, with a count at the end. A file that is right
already is referred to, not copied; the segments of a recording become files.
"""

import argparse
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import soundfile
from data_dir import exit_code, read_data_dir, spk2utt
from torch import Tensor
from tqdm import tqdm

from espnet_st.data.audio import SILENT, write_wav
from espnet_st.data.corpus import Utterance, read_corpus
from espnet_st.data.kaldi import file_of_key, read_ctm, read_table, write_table


def is_right(utterance: Utterance, sample_rate: int) -> bool:
    """Tell whether training can read a source as it is: a whole mono file at the rate.

    Args:
        utterance: One that could be read.
        sample_rate: Hz that are right.
    """
    if utterance != Utterance(utterance.source):
        return False
    if Path(utterance.source).suffix not in (".wav", ".flac"):
        return False
    info = soundfile.info(utterance.source)
    return (info.channels, info.samplerate) == (1, sample_rate)


def load_usable(utterance: Utterance, args: argparse.Namespace) -> Tensor:
    """Read an utterance, mono at the right rate (N,).

    Raises:
        ValueError: If it cannot be read, is silent, too short or too long.
    """
    wav = utterance.load(args.sample_rate)
    if wav.abs().max() < SILENT:
        raise ValueError("silent (no sample above -80 dBFS)")
    seconds = len(wav) / args.sample_rate
    if not args.min_seconds <= seconds <= args.max_seconds:
        raise ValueError(
            f"{seconds:.2f} s, outside {args.min_seconds} to {args.max_seconds} s"
        )
    return wav


def format_one(
    key: str, utterance: Utterance, args: argparse.Namespace
) -> tuple[str, int]:
    """Make one utterance's file.

    Returns:
        Its path, and its length in samples.

    Raises:
        ValueError: If the utterance cannot be used.
    """
    wav = load_usable(utterance, args)
    if is_right(utterance, args.sample_rate):
        return utterance.source, len(wav)
    path = file_of_key(args.output_dir / "wav", key, ".wav")
    write_wav(path, wav, args.sample_rate)
    return str(path), len(wav)


def copy_phones(data_dir: Path, output_dir: Path, keys: set[str]) -> None:
    """Copy `phones` and `phones.ctm`, where they are, for the utterances `keys`."""
    if (data_dir / "phones").is_file():
        phones = read_table(data_dir / "phones")
        write_table(output_dir / "phones", {k: phones[k] for k in phones.keys() & keys})
    if (data_dir / "phones.ctm").is_file():
        read_ctm(data_dir / "phones.ctm")
        text = (data_dir / "phones.ctm").read_text(encoding="utf-8-sig")
        kept = [line for line in text.split("\n") if line and line.split()[0] in keys]
        (output_dir / "phones.ctm").write_text(
            "".join(f"{line}\n" for line in kept), encoding="utf-8"
        )


def format_data_dir(args: argparse.Namespace) -> None:
    """Format `args.data_dir` into `args.output_dir`.

    Raises:
        ValueError: If the directory's tables are at fault, or nothing is left of them.
    """
    tables = read_data_dir(args.data_dir)
    segments = args.data_dir / "segments" if "segments" in tables else None
    corpus = read_corpus(args.data_dir / "wav.scp", segments)
    (args.output_dir / "wav").mkdir(parents=True, exist_ok=True)
    paths: dict[str, str] = {}
    samples: dict[str, int] = {}
    dropped: dict[str, str] = {}
    with ThreadPoolExecutor(args.nj) as pool:
        jobs = {key: pool.submit(format_one, key, corpus[key], args) for key in corpus}
        for key, job in tqdm(
            jobs.items(), desc=str(args.output_dir), unit="utt", mininterval=2
        ):
            try:
                paths[key], samples[key] = job.result()
            except ValueError as error:
                dropped[key] = str(error)
    for key, reason in dropped.items():
        logging.warning("dropped %s (%s): %s", key, corpus[key].source, reason)
    logging.info(
        "%s: %d utterances kept, %d dropped", args.output_dir, len(paths), len(dropped)
    )
    if not paths:
        raise ValueError(f"{args.data_dir}: no utterance of {len(corpus)} can be used")
    write_table(args.output_dir / "utt2num_samples", samples)
    for name in tables.keys() - {"wav.scp", "segments"}:
        write_table(args.output_dir / name, {key: tables[name][key] for key in paths})
    utt2spk = {key: tables["utt2spk"][key] for key in paths}
    write_table(args.output_dir / "spk2utt", spk2utt(utt2spk))
    copy_phones(args.data_dir, args.output_dir, set(paths))
    write_table(args.output_dir / "wav.scp", paths)


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample_rate", type=int, default=16000, help="Hz")
    parser.add_argument("--min_seconds", type=float, default=0.5)
    parser.add_argument("--max_seconds", type=float, default=30.0)
    parser.add_argument("--nj", type=int, default=2, help="files read at a time")
    parser.add_argument("data_dir", type=Path, help="e.g. data/train")
    parser.add_argument("output_dir", type=Path, help="e.g. dump/raw/train")
    return exit_code(format_data_dir, parser.parse_args(cmd))


if __name__ == "__main__":
    sys.exit(main())
