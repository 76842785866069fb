"""Tokenize a corpus: a wav.scp to an archive of codes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from espnet_st.bin.codec_inference import DTYPES, AudioCoding
from espnet_st.bin.corpus import Utterance, read_ahead, read_corpus
from espnet_st.bin.jobs import Skipped, batches, codec_parser, parse_job
from espnet_st.codes import CodesWriter


class AudioBar:
    """A progress bar over utterances that says how much faster than real time it is.

    Args:
        total: Utterances of the corpus.
        done: Those that an earlier run did.
    """

    def __init__(self, total: int, done: int):
        self.bar = tqdm(total=total, initial=done, desc="tokenize", unit="utt")
        self.start = time.monotonic()
        self.seconds = 0.0

    def update(self, utterances: int, seconds: float = 0.0) -> None:
        """Count utterances that are done or skipped, and seconds of audio done."""
        self.seconds += seconds
        passed = max(time.monotonic() - self.start, 1e-3)
        self.bar.set_postfix_str(
            f"{self.seconds / 3600:.2f} h, {self.seconds / passed:.1f} h/h",
            refresh=False,
        )
        self.bar.update(utterances)


def tokenize_set(
    codec: AudioCoding,
    utterances: Mapping[str, Utterance],
    output_dir: str | Path,
    batch_size: int = 8,
    batch_bins: int = 1_000_000,
    num_workers: int = 2,
    packed: bool = False,
) -> None:
    """Encode utterances into `output_dir`; finished ones are not redone.

    The codec's vectors go to `codebooks.npy` (n_q, codebook_size, D) beside the codes,
    and what could not be encoded, with the reason, to `skipped.txt`.

    Args:
        codec: Encodes.
        utterances: What to encode, by id.
        output_dir: Where files go.
        batch_size: Utterances at once, at most.
        batch_bins: Samples at once, at most, padding included; a longer utterance is
            alone.
        num_workers: Threads that read and resample ahead, a batch each.
        packed: Whether to write packed codes and no Kaldi archive.

    Raises:
        ValueError: If no utterance at all could be encoded.
    """
    output = Path(output_dir)
    with CodesWriter(output, codec.codebook_size if packed else None) as writer:
        skipped = Skipped(output / "skipped.txt")
        sizes = {
            key: utterance.samples(codec.sample_rate)
            for key, utterance in utterances.items()
            if key not in writer.done
        }

        def load(keys: list[str]) -> dict[str, torch.Tensor | ValueError]:
            loaded: dict[str, torch.Tensor | ValueError] = {}
            for key in keys:
                try:
                    loaded[key] = utterances[key].load(codec.sample_rate)
                except ValueError as error:
                    loaded[key] = error
            return loaded

        bar = AudioBar(len(utterances), len(utterances) - len(sizes))
        groups = batches(list(sizes), sizes.__getitem__, batch_size, batch_bins)
        for loaded in read_ahead(groups, load, num_workers):
            for key, wav in loaded.items():
                if isinstance(wav, ValueError):
                    skipped.add(key, wav)
                    bar.update(1)
            # Lengths are sure only now: a pipe does not say its own.
            lengths = {
                key: len(wav) for key, wav in loaded.items() if torch.is_tensor(wav)
            }
            for keys in batches(
                list(lengths), lengths.__getitem__, batch_size, batch_bins
            ):
                batch = [loaded[key] for key in keys]
                for key, codes in zip(keys, codec.encode_batch(batch), strict=True):
                    writer[key] = codes
                bar.update(
                    len(keys), sum(lengths[key] for key in keys) / codec.sample_rate
                )
        bar.bar.close()
    np.save(output / "codebooks.npy", codec.codebooks.numpy())
    skipped.finish(len(utterances) - len(skipped.reasons))


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = codec_parser("Tokenize a corpus.")
    parser.add_argument("--wav_scp", required=True, help="what to tokenize")
    parser.add_argument("--segments", help="Kaldi's, to cut recordings into utterances")
    parser.add_argument(
        "--batch_bins",
        type=int,
        default=1_000_000,
        help="samples at once, with padding",
    )
    parser.add_argument(
        "--num_workers", type=int, default=2, help="threads that read ahead"
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="float32",
        help="precision; auto: what is fast",
    )
    parser.add_argument(
        "--format",
        choices=("kaldi", "packed"),
        default="kaldi",
        help="float32 matrices that ESPnet reads, or codes at the bits they need",
    )
    parser.add_argument("--nj", type=int, default=1, help="jobs that share the corpus")
    parser.add_argument(
        "--job",
        type=int,
        default=1,
        help="which of them this is; each has its own output_dir",
    )
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = get_parser()
    args, device = parse_job(parser, cmd)
    for name in ("batch_size", "batch_bins", "num_workers"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}; expected at least 1")
    if not 1 <= args.job <= args.nj:
        parser.error(f"--job is {args.job}; expected 1 to --nj, {args.nj}")
    utterances = read_corpus(args.wav_scp, args.segments)
    codec = AudioCoding.from_pretrained(args.codec, device, args.dtype)
    tokenize_set(
        codec,
        # Every nj-th: neighbours are of like length, so jobs take equally long.
        dict(islice(utterances.items(), args.job - 1, None, args.nj)),
        args.output_dir,
        args.batch_size,
        args.batch_bins,
        args.num_workers,
        args.format == "packed",
    )


if __name__ == "__main__":
    main()
