"""The utterances of a corpus: `wav.scp` and `segments`, lengths, reading ahead."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import soundfile
import torch

from espnet_st.data.audio import prepare_audio, read_audio
from espnet_st.data.kaldi import read_index

Item = TypeVar("Item")
Result = TypeVar("Result")


class Utterance(NamedTuple):
    """Where an utterance is.

    Attributes:
        source: File, pipe or archive, as `audio.read_audio` takes it.
        start: Where it begins in that, in seconds.
        end: Where it ends, in seconds.
    """

    source: str
    start: float = 0.0
    end: float = math.inf

    def samples(self, sample_rate: int) -> int:
        """Its length at a rate, by the file's header; 0 if that cannot be told."""
        end = self.end
        if math.isinf(end):
            try:
                end = soundfile.info(self.source).duration
            except (OSError, RuntimeError):
                return 0
        return max(round((end - self.start) * sample_rate), 0)

    def load(self, sample_rate: int) -> torch.Tensor:
        """Its mono samples (N,) at a rate; ValueError if they cannot be used."""
        audio, rate = read_audio(self.source, self.start, self.end)
        return prepare_audio(audio, rate, sample_rate)


def read_corpus(
    wav_scp: str | Path, segments: str | Path | None = None
) -> dict[str, Utterance]:
    """Utterances by id, in order.

    Args:
        wav_scp: Lines `recording source`.
        segments: Lines `utterance recording start end` in seconds, an end of -1 being
            the recording's; without it each recording is an utterance.

    Raises:
        ValueError: If a line is not of that form, or names no recording of `wav_scp`.
    """
    sources = read_index(wav_scp)
    if segments is None:
        return {key: Utterance(source) for key, source in sources.items()}
    utterances = {}
    for key, value in read_index(segments).items():
        try:
            recording, start, end = value.split()
            first, last = float(start), float(end)
        except ValueError:
            raise ValueError(
                f"{segments}: {key} {value!r}; expected 'recording start end'"
            ) from None
        if recording not in sources:
            raise ValueError(f"{segments}: {key} is of {recording}, not in {wav_scp}")
        last = math.inf if last == -1 else last
        if not 0 <= first < last:
            raise ValueError(f"{segments}: {key} is from {first} s to {last} s")
        utterances[key] = Utterance(sources[recording], first, last)
    return utterances


def read_ahead(
    items: Iterable[Item], read: Callable[[Item], Result], workers: int
) -> Iterator[Result]:
    """What `read` gives for each item, in order, read by threads ahead of their use.

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
