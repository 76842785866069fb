#!/usr/bin/env python3
"""Stage 2: brings a data directory to one rate, one channel and a range of durations.

Utterances that cannot be used (missing, corrupt, silent, NaN) or that are too short or
too long are left out, each named, with a count at the end. A file that is right
already is referred to, not copied.
"""

import argparse
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
from data_dir import exit_code, read_data_dir, read_table, spk2utt, write_table
from tqdm import tqdm

from espnet_st.data.audio import read_audio


def read_usable(source: str) -> tuple[np.ndarray, int]:
    """Read a file, or the output of a pipe ("command |").

    Returns:
        Samples (N, channels) float32 and their rate in Hz.

    Raises:
        ValueError: it is missing, corrupt, truncated, empty, silent, or has NaN or
            infinite samples.
    """
    if not source.endswith("|") and not Path(source).is_file():
        raise ValueError("no such file")
    try:
        wav, rate = read_audio(source)
    except ValueError as error:
        raise ValueError(f"not readable as audio ({error})") from None
    if len(wav) == 0:
        raise ValueError("no samples")
    if not np.isfinite(wav).all():
        raise ValueError("NaN or infinite samples")
    if np.abs(wav).max() < 1e-4:
        raise ValueError("silent (no sample above -80 dBFS)")
    return wav.reshape(len(wav), -1), rate


def to_mono(wav: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """Mean of the channels of (N, channels), resampled: (N',)."""
    mono = wav.mean(axis=1)
    if rate == sample_rate:
        return mono
    from scipy.signal import resample_poly

    divisor = np.gcd(rate, sample_rate)
    return resample_poly(mono, sample_rate // divisor, rate // divisor)


def format_one(key: str, source: str, args: argparse.Namespace) -> tuple[str, int]:
    """Make one utterance's file.

    Returns:
        Its path, and its length in samples.

    Raises:
        ValueError: the utterance cannot be used; the message says why.
    """
    wav, rate = read_usable(source)
    mono = to_mono(wav, rate, args.sample_rate)
    seconds = len(mono) / args.sample_rate
    if not args.min_seconds <= seconds <= args.max_seconds:
        raise ValueError(
            f"{seconds:.2f} s, outside {args.min_seconds} to {args.max_seconds} s"
        )
    right = wav.shape[1] == 1 and rate == args.sample_rate
    if right and Path(source).suffix in (".wav", ".flac"):
        return source, len(mono)
    path = args.output_dir / "wav" / f"{key}.wav"
    soundfile.write(path, np.clip(mono, -1, 1), args.sample_rate, subtype="PCM_16")
    return str(path), len(mono)


def copy_phones(data_dir: Path, output_dir: Path, keys: set[str]) -> None:
    """Copy `phones` and `phones.ctm`, where they are, for the utterances `keys`."""
    if (data_dir / "phones").is_file():
        phones = read_table(data_dir / "phones")
        write_table(output_dir / "phones", {k: phones[k] for k in phones.keys() & keys})
    if (data_dir / "phones.ctm").is_file():
        lines = (data_dir / "phones.ctm").read_text(encoding="utf-8").splitlines(True)
        kept = (line for line in lines if line.split(" ", 1)[0] in keys)
        (output_dir / "phones.ctm").write_text("".join(kept), encoding="utf-8")


def format_data_dir(args: argparse.Namespace) -> None:
    """Format `args.data_dir` into `args.output_dir`.

    Raises:
        ValueError: the directory's tables are at fault, or nothing is left of them.
    """
    tables = read_data_dir(args.data_dir)
    (args.output_dir / "wav").mkdir(parents=True, exist_ok=True)
    sources = tables["wav.scp"]
    paths: dict[str, str] = {}
    samples: dict[str, int] = {}
    dropped: dict[str, str] = {}
    with ThreadPoolExecutor(args.nj) as pool:
        jobs = {
            key: pool.submit(format_one, key, sources[key], args) for key in sources
        }
        for key, job in tqdm(
            jobs.items(), desc=str(args.output_dir), unit="utt", mininterval=2
        ):
            try:
                paths[key], samples[key] = job.result()
            except ValueError as error:
                dropped[key] = str(error)
    for key, reason in dropped.items():
        logging.warning("dropped %s (%s): %s", key, sources[key], reason)
    logging.info(
        "%s: %d utterances kept, %d dropped", args.output_dir, len(paths), len(dropped)
    )
    if not paths:
        raise ValueError(f"{args.data_dir}: no utterance of {len(sources)} can be used")
    write_table(args.output_dir / "utt2num_samples", samples)
    for name in tables.keys() - {"wav.scp"}:
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
