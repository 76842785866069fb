"""Do codes stay when the audio changes in ways that nobody hears?

Speech is encoded again shifted by some samples, between silences, and with faint white
noise; the figure is the share of its frames that keep their code. Frame t of a signal
without its first s samples covers what frame t + s / hop_length covered.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.tokens.shares import shares
from espnet_st.slmtokbench.tokens.tokenizer import Tokenizer, check_speech

PADDING = 10
"""Frames of silence before or after."""

SNRS = (40.0, 30.0)
"""Decibels of speech above noise."""


@dataclass(frozen=True)
class Change:
    """Describe a change of the audio.

    Attributes:
        name: E.g. "shift_half", "zeros_before", "snr_40".
        apply: From utterance id and signal to the changed signal.
        offsets: By how many frames the changed codes may be later; the best counts.
    """

    name: str
    apply: Callable[[str, np.ndarray], np.ndarray]
    offsets: tuple[int, ...]


def changes(hop_length: int, seed: int) -> Iterator[Change]:
    """List shifts of 1 sample, a quarter, half and a whole frame; padding; noise."""
    parts = {"quarter": hop_length // 4, "half": hop_length // 2, "frame": hop_length}
    for name, shift in {"sample": 1, **parts}.items():
        nearest = {shift // hop_length, math.ceil(shift / hop_length)}
        offsets = tuple(sorted(-offset for offset in nearest))
        yield Change(f"shift_{name}", _shift(shift), offsets)
    silence = np.zeros(PADDING * hop_length, dtype=np.float32)
    yield Change(
        "zeros_before", lambda _, wav: np.concatenate([silence, wav]), (PADDING,)
    )
    yield Change("zeros_after", lambda _, wav: np.concatenate([wav, silence]), (0,))
    for snr in SNRS:
        yield Change(f"snr_{snr:.0f}", _noise(snr, seed), (0,))


def _shift(samples: int) -> Callable[[str, np.ndarray], np.ndarray]:
    return lambda _, wav: wav[samples:]


def _noise(snr: float, seed: int) -> Callable[[str, np.ndarray], np.ndarray]:
    """Add white noise that depends on the seed and the utterance's id alone."""

    def add(key: str, wav: np.ndarray) -> np.ndarray:
        digest = hashlib.sha256(f"{seed} noise {key}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        level = math.sqrt(float(np.mean(np.square(wav, dtype=np.float64))))
        noise = generator.standard_normal(len(wav)) * level * 10 ** (-snr / 20)
        return (wav + noise).astype(np.float32)

    return add


def stability(
    tokenizer: Tokenizer, speech: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """Measure the share of frames that keep their codes under each change.

    Args:
        tokenizer: What encodes.
        speech: Utterance id to signal (N,) at the tokenizer's rate. Silence is a signal
            like any other; its noise is silent, too.
        seed: Of noise and draws.

    Returns:
        Change to "rvq1", "rvq2", ..., one per layer, and "all", frames of which every
        layer's code stays. The offset of frames is the best one for all layers and
        utterances together.

    Raises:
        ValueError: If speech or encodings are not as expected.
    """
    check_speech(speech, tokenizer.hop_length)
    speech = {key: np.asarray(wav, np.float32) for key, wav in speech.items()}
    clean = tokenizer.codes_of(speech)
    n_q = len(next(iter(clean.values())))
    names = [f"rvq{layer + 1}" for layer in range(n_q)] + ["all"]
    terms: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    for change in changes(tokenizer.hop_length, seed):
        changed = tokenizer.codes_of(
            {key: change.apply(key, wav) for key, wav in speech.items()}
        )
        kept = max(
            (_kept(clean, changed, offset) for offset in change.offsets),
            key=lambda by_utterance: sum(row[:-1].mean() for row in by_utterance[0]),
        )
        for column, name in enumerate(names):
            terms[change.name, name] = {
                key: (float(row[column]), float(frames))
                for key, row, frames in zip(clean, *kept)
            }
    found: dict[str, dict[str, Estimate]] = {}
    for (change_name, name), estimate in shares(terms, seed).items():
        found.setdefault(change_name, {})[name] = estimate
    return found


def _kept(
    clean: Mapping[str, np.ndarray], changed: Mapping[str, np.ndarray], offset: int
) -> tuple[list[np.ndarray], list[int]]:
    """Count frames that keep their codes, of each utterance.

    Returns:
        (n_q + 1,) counts, the last of frames that keep all; and how many there are.
    """
    counts, frames = [], []
    for key, before in clean.items():
        after = changed[key][:, max(offset, 0) :]
        before = before[:, max(-offset, 0) :]
        n = min(before.shape[1], after.shape[1])
        same = before[:, :n] == after[:, :n]
        counts.append(np.append(same.sum(axis=1), same.all(axis=0).sum()))
        frames.append(n)
    return counts, frames
