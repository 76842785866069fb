"""The utterances a small teacher is trained on: signals and phones, in batches.

Reads a Kaldi-style data directory. The model and its training are in
`teacher_training.py`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from espnet_st.codec.teacher.backbones import SAMPLE_RATE
from espnet_st.codec.teacher.teacher import HOP_LENGTH, normalize_waveform
from espnet_st.data.audio import read_audio
from espnet_st.data.kaldi import read_ctm, read_table

PHONES = tuple(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH "
    "T TH UH UW V W Y Z ZH".split()
)
BLANK = 0
SILENCE = "SIL"
UNKNOWN = -100


@dataclass(frozen=True)
class LabelledUtterance:
    """One utterance.

    Attributes:
        name: Its key.
        wav: (N,) int16 at 16 kHz.
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
        frames: (B, T) int64, the phone at the centre of each frame of 320 samples,
            0 in silence, `UNKNOWN` in the padding and where no times are known.
    """

    wav: Tensor
    wav_lengths: Tensor
    phones: Tensor
    phone_lengths: Tensor
    frames: Tensor


def read_signal(name: str, path: str) -> np.ndarray:
    """A recording (N,) int16.

    Raises:
        ValueError: If it cannot be read, is not 16 kHz mono, empty or silent.
    """
    try:
        samples, rate = read_audio(path)
    except ValueError as error:
        raise ValueError(f"utterance {name}: {error}") from error
    wav = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
    if rate != SAMPLE_RATE or wav.ndim != 1:
        raise ValueError(
            f"utterance {name}: {path} has {rate} Hz and shape {wav.shape}; expected "
            f"{SAMPLE_RATE} Hz, mono: stage 2 makes it so"
        )
    if not wav.any():
        raise ValueError(f"utterance {name}: {path} is empty or silent: remove it")
    return wav


def read_times(path: Path, number: Mapping[str, int]) -> dict[str, list[list[float]]]:
    """Read rows `[end, phone number]` of a `phones.ctm`, by utterance; {} without it.

    Raises:
        ValueError: On a line that is not `utt 1 start duration PHONE`, or a phone
            outside of `number`.
    """
    if not path.is_file():
        return {}
    alignments = read_ctm(path)
    unknown = {p.phone for row in alignments.values() for p in row} - number.keys()
    if unknown:
        raise ValueError(f"{path}: unknown phones {sorted(unknown)}")
    return {
        name: [[p.start + p.duration, float(number[p.phone])] for p in row]
        for name, row in alignments.items()
    }


def read_utterances(
    directory: Path, inventory: Sequence[str] = PHONES
) -> list[LabelledUtterance]:
    """All utterances of a data directory with `wav.scp`, `phones`, maybe `phones.ctm`.

    Raises:
        ValueError: On a missing file, keys that differ, a bad recording or a phone
            outside the inventory; the message names the utterance.
    """
    paths = read_table(directory / "wav.scp")
    phones = read_table(directory / "phones")
    if paths.keys() != phones.keys():
        differing = sorted(paths.keys() ^ phones.keys())
        raise ValueError(
            f"{directory}: wav.scp and phones differ in {len(differing)} keys, "
            f"{differing[0]!r} for one: every utterance needs both"
        )
    number = {phone: i for i, phone in enumerate(inventory, BLANK + 1)}
    times = read_times(directory / "phones.ctm", {**number, SILENCE: BLANK})
    utterances = []
    for name, path in paths.items():
        row = phones[name].split()
        unknown = sorted(set(row) - number.keys())
        if unknown:
            raise ValueError(f"utterance {name}: unknown phones {unknown}")
        timed = torch.tensor(times.get(name, [])).reshape(-1, 2)
        utterances.append(
            LabelledUtterance(
                name=name,
                wav=read_signal(name, path),
                phones=torch.tensor([number[phone] for phone in row]),
                ends=timed[:, 0].contiguous(),
                timed=timed[:, 1].long(),
            )
        )
    return utterances


def frame_phones(
    utterance: LabelledUtterance, n_frames: int, playback: float
) -> Tensor:
    """The phone at the centre of each frame (T,), `UNKNOWN` beyond the last."""
    if len(utterance.ends) == 0:
        return torch.full((n_frames,), UNKNOWN)
    frame = HOP_LENGTH / SAMPLE_RATE * playback
    centres = (torch.arange(n_frames) + 0.5) * frame
    index = torch.searchsorted(utterance.ends, centres, right=True)
    phones = torch.cat([utterance.timed, torch.tensor([UNKNOWN])])
    return phones[index]


def collate(utterances: Sequence[LabelledUtterance], playback: float = 1.0) -> Batch:
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
        n_frames = -(-len(wav) // HOP_LENGTH)
        frames.append(frame_phones(utterance, n_frames, playback))
    pad = torch.nn.utils.rnn.pad_sequence
    phones = [utterance.phones for utterance in utterances]
    return Batch(
        wav=pad(wavs, batch_first=True),
        wav_lengths=torch.tensor([len(wav) for wav in wavs]),
        phones=pad(phones, batch_first=True, padding_value=BLANK),
        phone_lengths=torch.tensor([len(row) for row in phones]),
        frames=pad(frames, batch_first=True, padding_value=UNKNOWN),
    )


def epoch_batches(
    utterances: Sequence[LabelledUtterance], batch_size: int, seed: int
) -> list[list[LabelledUtterance]]:
    """Batches of similar length in random order, a pure function of the seed.

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
