"""Listing the utterances of a corpus, measuring them, and reading them ahead."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import soundfile
from torch import Tensor

from espnet_st.data.audio import audio_size, load_audio, part_of, resampled_length
from espnet_st.data.kaldi import read_segments, read_table

Item = TypeVar("Item")
Result = TypeVar("Result")


class Utterance(NamedTuple):
    """Says where an utterance is, and reads it.

    Attributes:
        source: File, pipe or archive, as `audio.read_audio` takes it.
        start: Where it begins in that, in seconds.
        end: Where it ends, in seconds.
    """

    source: str
    start: float = 0.0
    end: float = math.inf

    def estimate_samples(self, sample_rate: int) -> int:
        """Estimate its length at a rate at no cost; 0 for what must be read."""
        end = self.end
        if math.isinf(end):
            try:
                end = soundfile.info(self.source).duration
            except (OSError, RuntimeError):
                return 0
        return max(round((end - self.start) * sample_rate), 0)

    def count_samples(self, sample_rate: int) -> int:
        """Count the samples that `load` gives at a rate; a pipe is run for that.

        Raises:
            ValueError: If it cannot be read.
        """
        n_samples, rate = audio_size(self.source)
        first, last = part_of(n_samples, rate, self.start, self.end)
        return resampled_length(max(last - first, 0), rate, sample_rate)

    def load(self, sample_rate: int) -> Tensor:
        """Read its mono samples (N,) at a rate; ValueError if they cannot be used."""
        return load_audio(self.source, sample_rate, self.start, self.end)

    def identity(self) -> str:
        """Describe what it is made from: source, size of a file, and times."""
        try:
            size = Path(self.source).stat().st_size
        except OSError:  # a pipe, an archive, or nothing
            size = 0
        return f"{self.source} {size} {self.start} {self.end}"


def read_corpus(
    wav_scp: str | Path, segments: str | Path | None = None
) -> dict[str, Utterance]:
    """Read the utterances of a corpus by id, in order.

    Args:
        wav_scp: Lines `recording source`.
        segments: Kaldi's `segments`; without it each recording is an utterance.

    Raises:
        ValueError: If a line is not of that form, or names no recording of `wav_scp`.
    """
    sources = read_table(wav_scp)
    if segments is None:
        return {key: Utterance(source) for key, source in sources.items()}
    utterances = {}
    for key, (recording, start, end) in read_segments(segments).items():
        if recording not in sources:
            raise ValueError(f"{segments}: {key} is of {recording}, not in {wav_scp}")
        utterances[key] = Utterance(sources[recording], start, end)
    return utterances


def read_ahead(
    items: Iterable[Item], read: Callable[[Item], Result], workers: int
) -> Iterator[Result]:
    """Give what `read` gives for each item, in order; threads read ahead of its use.

    Args:
        items: What to read.
        read: Called in a thread.
        workers: Threads, and items that are read ahead.
    """
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            pending.append(pool.submit(read, item))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
