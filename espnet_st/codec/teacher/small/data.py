"""The utterances a small teacher is trained on: signals and phones, in batches.

Reads a Kaldi-style data directory. The model is in `model.py`, its training in
`training.py`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from espnet_st.codec.teacher.teacher import normalize_waveform
from espnet_st.data.audio import prepare_audio, read_audio
from espnet_st.data.kaldi import read_ctm, read_table

PHONES = tuple(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH "
    "T TH UH UW V W Y Z ZH".split()
)
BLANK = 0
SILENCE = "SIL"
UNKNOWN = -100


@dataclass(frozen=True)
class Utterance:
    """One utterance.

    Attributes:
        name: Its key.
        wav: (N,) int16 at the teacher's rate.
        phones: (S,) int64, 1 + index in the inventory; 0 is CTC's blank.
        ends: (P,) end of each timed phone in seconds, silences included, the first
            beginning at 0; empty if its times are not known.
        timed: (P,) int64, those phones; silence is 0.
    """

    name: str
    wav: np.ndarray
    phones: Tensor
    ends: Tensor
    timed: Tensor


@dataclass(frozen=True)
class Batch:
    """A padded batch.

    Attributes:
        wav: (B, N) float, each of mean 0 and variance 1, zeros behind.
        wav_lengths: (B,) samples.
        phones: (B, S) int64, zeros behind.
        phone_lengths: (B,) phones.
        frames: (B, T) int64, the phone at the centre of each frame, 0 in silence,
            `UNKNOWN` in the padding and where no times are known.
        frame_lengths: (B,) frames.
    """

    wav: Tensor
    wav_lengths: Tensor
    phones: Tensor
    phone_lengths: Tensor
    frames: Tensor
    frame_lengths: Tensor


@dataclass(frozen=True)
class FrameGrid:
    """Where a teacher's frames lie.

    Attributes:
        sample_rate: Hz of its waveforms.
        hop_length: Samples per frame.
    """

    sample_rate: int
    hop_length: int

    def count(self, n_samples: int) -> int:
        """Count the frames of `n_samples` samples, the last maybe cut short."""
        return -(-n_samples // self.hop_length)


def read_signal(name: str, source: str, sample_rate: int) -> np.ndarray:
    """Read a recording (N,) int16 at a rate.

    Raises:
        ValueError: If it cannot be read, is empty or silent.
    """
    try:
        wav = prepare_audio(*read_audio(source), sample_rate)
    except ValueError as error:
        raise ValueError(f"utterance {name}: {error}") from error
    samples = (wav.numpy() * 32768).round().clip(-32768, 32767).astype(np.int16)
    if not samples.any():
        raise ValueError(f"utterance {name}: {source} is silent: remove it")
    return samples


def read_times(
    path: Path, number: Mapping[str, int]
) -> dict[str, list[tuple[float, int]]]:
    """Read ends and numbers of phones from a `phones.ctm`, by utterance.

    Returns:
        Nothing if there is no such file.

    Raises:
        ValueError: On a bad line or an unknown phone.
    """
    if not path.is_file():
        return {}
    times: dict[str, list[tuple[float, int]]] = {}
    for name, segments in read_ctm(path).items():
        unknown = sorted({segment.phone for segment in segments} - number.keys())
        if unknown:
            raise ValueError(f"{path}: utterance {name} has unknown phones {unknown}")
        times[name] = [
            (segment.start + segment.duration, number[segment.phone])
            for segment in segments
        ]
    return times


def read_utterances(
    directory: Path, sample_rate: int, inventory: Sequence[str] = PHONES
) -> list[Utterance]:
    """Read a data directory with `wav.scp`, `phones`, maybe `phones.ctm`.

    Args:
        directory: Of the data.
        sample_rate: Hz of the teacher; other recordings are resampled.
        inventory: Phones, by number from 1.

    Raises:
        ValueError: On a missing file, keys that differ, a bad recording or a phone
            outside the inventory; the message names the utterance.
    """
    for needed in ("wav.scp", "phones"):
        if not (directory / needed).is_file():
            raise ValueError(
                f"{directory / needed} is missing: run the stages before (1 and 2)"
            )
    sources = read_table(directory / "wav.scp")
    phones = read_table(directory / "phones")
    if sources.keys() != phones.keys():
        differing = sorted(sources.keys() ^ phones.keys())
        raise ValueError(
            f"{directory}: wav.scp and phones differ in {len(differing)} keys, "
            f"{differing[0]!r} for one: every utterance needs both"
        )
    number = {phone: i for i, phone in enumerate(inventory, BLANK + 1)}
    times = read_times(directory / "phones.ctm", {**number, SILENCE: BLANK})
    utterances = []
    for name, source in sources.items():
        row = phones[name].split()
        unknown = sorted(set(row) - number.keys())
        if unknown:
            raise ValueError(f"utterance {name}: unknown phones {unknown}")
        ends = [end for end, _ in times.get(name, [])]
        timed = [phone for _, phone in times.get(name, [])]
        utterances.append(
            Utterance(
                name=name,
                wav=read_signal(name, source, sample_rate),
                phones=torch.tensor([number[phone] for phone in row]),
                ends=torch.tensor(ends, dtype=torch.float32),
                timed=torch.tensor(timed, dtype=torch.int64),
            )
        )
    return utterances


def frame_phones(
    utterance: Utterance, n_frames: int, grid: FrameGrid, playback: float
) -> Tensor:
    """Find the phone at the centre of each frame (T,), `UNKNOWN` beyond the last."""
    if len(utterance.ends) == 0:
        return torch.full((n_frames,), UNKNOWN)
    frame = grid.hop_length / grid.sample_rate * playback
    centres = (torch.arange(n_frames) + 0.5) * frame
    index = torch.searchsorted(utterance.ends, centres, right=True)
    phones = torch.cat([utterance.timed, torch.tensor([UNKNOWN])])
    return phones[index]


def collate(
    utterances: Sequence[Utterance], grid: FrameGrid, playback: float = 1.0
) -> Batch:
    """Normalize, play faster by `playback` (pitch and formants follow), pad."""
    wavs, frames = [], []
    for utterance in utterances:
        wav = torch.from_numpy(utterance.wav.astype(np.float32))
        if playback != 1.0:
            size = round(len(wav) / playback)
            wav = torch.nn.functional.interpolate(
                wav.view(1, 1, -1), size=size, mode="linear", align_corners=False
            ).view(-1)
        wavs.append(normalize_waveform(wav))
        n_frames = grid.count(len(wav))
        frames.append(frame_phones(utterance, n_frames, grid, playback))
    pad = torch.nn.utils.rnn.pad_sequence
    phones = [utterance.phones for utterance in utterances]
    return Batch(
        wav=pad(wavs, batch_first=True),
        wav_lengths=torch.tensor([len(wav) for wav in wavs]),
        phones=pad(phones, batch_first=True, padding_value=BLANK),
        phone_lengths=torch.tensor([len(row) for row in phones]),
        frames=pad(frames, batch_first=True, padding_value=UNKNOWN),
        frame_lengths=torch.tensor([len(row) for row in frames]),
    )


def epoch_batches(
    utterances: Sequence[Utterance], batch_size: int, seed: int
) -> list[list[Utterance]]:
    """Make batches of similar length in random order, a pure function of the seed.

    The utterances are shuffled, sorted by length within pools of 16 batches, cut, and
    the batches shuffled. The last, smaller batch is kept.
    """
    rng = random.Random(seed)
    order = list(utterances)
    rng.shuffle(order)
    pool = 16 * batch_size
    batches = []
    for start in range(0, len(order), pool):
        row = sorted(order[start : start + pool], key=lambda u: len(u.wav))
        batches += [row[i : i + batch_size] for i in range(0, len(row), batch_size)]
    rng.shuffle(batches)
    return batches
