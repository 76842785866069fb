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
import soundfile
import torch
from torch import Tensor

from espnet_st.codec.teacher.backbones import SAMPLE_RATE
from espnet_st.codec.teacher.teacher import HOP_LENGTH, normalize_waveform
from espnet_st.data.audio import prepare_audio

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


def read_table(path: Path) -> dict[str, str]:
    """A Kaldi table: the first field of a line to the rest of it.

    Raises:
        ValueError: If the file is missing, a key is alone or comes twice.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing: run the stages before (1 and 2)")
    table: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        key, _, value = line.strip().partition(" ")
        if not value or key in table:
            reason = "is there twice" if key in table else "has nothing beside it"
            raise ValueError(f"{path}, line {number}: the key {key!r} {reason}")
        table[key] = value
    return table


def read_signal(name: str, path: str) -> np.ndarray:
    """Read a recording of any rate as (N,) int16 at the teacher's.

    Raises:
        ValueError: If it cannot be read, is not mono, empty or silent.
    """
    try:
        wav, rate = soundfile.read(path, dtype="int16")
    except (OSError, soundfile.LibsndfileError) as error:
        raise ValueError(f"utterance {name}: cannot read {path}: {error}") from error
    if wav.ndim != 1:
        raise ValueError(
            f"utterance {name}: {path} has {wav.shape[1]} channels; expected one: "
            "stage 2 makes it so"
        )
    if rate != SAMPLE_RATE and len(wav) > 0:
        samples = prepare_audio(wav, rate, SAMPLE_RATE) * 32768
        wav = samples.round().clamp(-32768, 32767).short().numpy()
    if not wav.any():
        raise ValueError(f"utterance {name}: {path} is empty or silent: remove it")
    return wav


def read_times(path: Path, number: Mapping[str, int]) -> dict[str, list[list[float]]]:
    """Rows `[end, phone number]` of a `phones.ctm`, by utterance; {} if not there.

    Raises:
        ValueError: On a line that is not `utt 1 start duration PHONE`.
    """
    times: dict[str, list[list[float]]] = {}
    if not path.is_file():
        return times
    for line_number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            name, _, start, duration, phone = line.split()
            row = [float(start) + float(duration), float(number[phone])]
        except (ValueError, KeyError) as error:
            raise ValueError(
                f"{path}, line {line_number}: {line!r} is not 'utt 1 start duration "
                f"PHONE' ({error})"
            ) from error
        times.setdefault(name, []).append(row)
    return times


def read_utterances(
    directory: Path, inventory: Sequence[str] = PHONES
) -> list[Utterance]:
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
            Utterance(
                name=name,
                wav=read_signal(name, path),
                phones=torch.tensor([number[phone] for phone in row]),
                ends=timed[:, 0].contiguous(),
                timed=timed[:, 1].long(),
            )
        )
    return utterances


def frame_phones(utterance: Utterance, n_frames: int, playback: float) -> Tensor:
    """The phone at the centre of each frame (T,), `UNKNOWN` beyond the last."""
    if len(utterance.ends) == 0:
        return torch.full((n_frames,), UNKNOWN)
    frame = HOP_LENGTH / SAMPLE_RATE * playback
    centres = (torch.arange(n_frames) + 0.5) * frame
    index = torch.searchsorted(utterance.ends, centres, right=True)
    phones = torch.cat([utterance.timed, torch.tensor([UNKNOWN])])
    return phones[index]


def collate(utterances: Sequence[Utterance], playback: float = 1.0) -> Batch:
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
    utterances: Sequence[Utterance], batch_size: int, seed: int
) -> list[list[Utterance]]:
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
