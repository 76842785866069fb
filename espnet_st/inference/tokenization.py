"""Tokenizing a corpus: utterances to an archive of codes; resumable, faults named."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from espnet_st.codes import CodesWriter
from espnet_st.data.batching import batches
from espnet_st.data.corpus import Utterance, read_ahead
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.code_files import ArrayWriter
from espnet_st.inference.jobs import Job, Skipped, model_digest


class AudioBar:
    """Shows progress over utterances, and how much faster than real time it is.

    Args:
        total: Utterances of the corpus.
        done: Those that an earlier run did.
    """

    def __init__(self, total: int, done: int) -> None:
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
    form: str = "kaldi",
) -> dict[str, str]:
    """Encode utterances into `output_dir`; finished ones are not redone.

    The codec's vectors go to `codebooks.npy` (n_q, codebook_size, D) beside an archive,
    and what could not be encoded, with the reason, to `skipped.txt`.

    Args:
        codec: Encodes.
        utterances: What to encode, by id.
        output_dir: Where files go.
        batch_size: Utterances at once, at most.
        batch_bins: Samples at once, at most, padding included; a longer utterance is
            alone.
        num_workers: Threads that read and resample ahead, a batch each.
        form: `kaldi` or `packed` for an archive, `npy` for a file of each utterance.

    Returns:
        What was skipped, and why.

    Raises:
        ValueError: If no utterance at all could be encoded; or if another job works in
            `output_dir`, or it was begun with another codec, format or input.
    """
    output = Path(output_dir)
    settings = {
        "codec": model_digest(codec.generator),
        "format": form,
    }
    writers: dict[str, Callable[[], CodesWriter | ArrayWriter]] = {
        "kaldi": lambda: CodesWriter(output),
        "packed": lambda: CodesWriter(output, codec.codebook_size),
        "npy": lambda: ArrayWriter(output, utterances, codec.codebook_size),
    }
    with Job(output, settings) as job, writers[form]() as writer:
        inputs = {key: utterance.identity() for key, utterance in utterances.items()}
        todo = job.resume(inputs, writer.done)
        skipped = Skipped(output / "skipped.txt")
        sizes = {
            key: utterances[key].estimate_samples(codec.sample_rate) for key in todo
        }

        def load(keys: list[str]) -> dict[str, Tensor | ValueError]:
            loaded: dict[str, Tensor | ValueError] = {}
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
            wavs = {k: wav for k, wav in loaded.items() if torch.is_tensor(wav)}
            lengths = {key: len(wav) for key, wav in wavs.items()}
            for keys in batches(
                list(lengths), lengths.__getitem__, batch_size, batch_bins
            ):
                batch = [wavs[key] for key in keys]
                for key, codes in zip(keys, codec.encode_batch(batch), strict=True):
                    writer[key] = codes
                bar.update(
                    len(keys), sum(lengths[key] for key in keys) / codec.sample_rate
                )
        bar.bar.close()
        if form != "npy":
            np.save(output / "codebooks.npy", codec.codebooks.numpy())
    skipped.finish(len(utterances) - len(skipped.reasons))
    return skipped.reasons
