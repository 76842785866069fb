"""Tokenize a corpus: a wav.scp to an archive of codes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from espnet_st.bin.audio import prepare_audio, read_audio, read_index
from espnet_st.bin.codec_inference import AudioCoding
from espnet_st.bin.jobs import Skipped, batches, codec_parser, parse_job
from espnet_st.codes import CodesWriter


def duration(source: str) -> int:
    """Samples that a file says it has; 0 for a pipe or what cannot be opened."""
    try:
        return soundfile.info(source).frames
    except (OSError, RuntimeError):
        return 0


def tokenize_set(
    codec: AudioCoding, wav_scp: str, output_dir: str, batch_size: int
) -> None:
    """Encode all of `wav_scp` into `output_dir`; finished items are not redone.

    The codec's vectors go to `codebooks.npy` (n_q, codebook_size, D) beside the codes.
    """
    sources = read_index(wav_scp)
    skipped = Skipped()
    with CodesWriter(output_dir) as writer:
        todo = [key for key in sources if key not in writer.done]
        sizes = {key: duration(sources[key]) for key in todo}
        progress = tqdm(
            total=len(sources), initial=len(writer.done), desc="tokenize", unit="utt"
        )
        for keys in batches(todo, sizes.__getitem__, batch_size):
            wavs = {}
            for key in keys:
                try:
                    samples, rate = read_audio(sources[key])
                    wavs[key] = prepare_audio(samples, rate, codec.sample_rate)
                except ValueError as error:
                    skipped.add(key, error)
            if wavs:
                codes = codec.encode_batch(list(wavs.values()))
                for key, one in zip(wavs, codes):
                    writer[key] = one
            progress.update(len(keys))
        progress.close()
        done = len(writer.done)
    np.save(Path(output_dir) / "codebooks.npy", codec.codebooks.numpy())
    skipped.finish(done)


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = codec_parser("Tokenize a corpus.")
    parser.add_argument("--wav_scp", required=True, help="what to tokenize")
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args, device = parse_job(get_parser(), cmd)
    codec = AudioCoding.from_pretrained(args.codec, device)
    tokenize_set(codec, args.wav_scp, args.output_dir, args.batch_size)


if __name__ == "__main__":
    main()
