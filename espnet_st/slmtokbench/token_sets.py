"""The sets of a benchmark of anybody's tokens: matched, checked, split, written."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from espnet_st.codes import CodesWriter
from espnet_st.data.kaldi import write_table
from espnet_st.slmtokbench.token_files import Codes

TEST_SHARE = 0.2
"""Of a single set, for the test."""
TOLERANCE = 2.0
"""Frames by which codes may be longer or shorter than their audio."""


@dataclass
class TokenSet:
    """Hold codes and texts of one set.

    Attributes:
        codes: Utterance id to codes (n_q, T).
        texts: Utterance id to transcript; may be empty.
        left_out: Utterance id to why it is not there.
    """

    codes: Codes
    texts: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def drop(self, reasons: Mapping[str, str]) -> None:
        """Leave utterances out, with why."""
        self.left_out |= reasons
        for key in reasons:
            self.codes.pop(key, None)
            self.texts.pop(key, None)

    def match(self) -> None:
        """Name utterances with codes and no text, or the other way round.

        Those with codes alone stay for the figures of codes.
        """
        empty = [key for key, text in self.texts.items() if not text.strip()]
        for key in empty:
            self.left_out[key] = "its transcript is empty"
            del self.texts[key]
        if self.texts:
            for key in sorted(set(self.codes) - set(self.texts) - set(empty)):
                self.left_out[key] = "no transcript"
        for key in sorted(set(self.texts) - set(self.codes)):
            self.left_out.setdefault(key, "a transcript and no codes")
            del self.texts[key]

    def part(self, keys: Collection[str]) -> TokenSet:
        """Take some utterances."""
        return TokenSet(
            {key: self.codes[key] for key in self.codes if key in keys},
            {key: self.texts[key] for key in self.texts if key in keys},
        )


def infer_sizes(sets: Iterable[TokenSet]) -> tuple[int, ...]:
    """Take the largest code of each layer, and one more, for its codebook's size."""
    largest = [codes.max(axis=1) for one in sets for codes in one.codes.values()]
    return tuple(int(size) + 1 for size in np.max(largest, axis=0))


def check_layers(sets: Mapping[str, TokenSet], n_q: int) -> None:
    """Refuse sets of other numbers of layers.

    Raises:
        ValueError: With both numbers.
    """
    for name, one in sets.items():
        for key, codes in one.codes.items():
            if len(codes) != n_q:
                raise ValueError(
                    f"{key} of the {name} set has codes of {len(codes)} layers; "
                    f"expected {n_q}, as the codebooks' sizes and other sets have"
                )


def out_of_range(codes: Codes, sizes: Sequence[int]) -> dict[str, str]:
    """Find utterances with codes that are not in the codebooks."""
    found = {}
    for key, one in codes.items():
        bad = (one.min(axis=1) < 0) | (one.max(axis=1) >= np.array(sizes))
        if bad.any():
            layer = int(bad.argmax())
            found[key] = (
                f"codes of layer {layer + 1} lie in [{one[layer].min()}, "
                f"{one[layer].max()}]; expected [0, {sizes[layer] - 1}]"
            )
    return found


def infer_rate(codes: Codes, seconds: Mapping[str, float]) -> float:
    """Compute frames per second from the lengths of codes and audio: their median.

    Raises:
        ValueError: If no utterance has both.
    """
    rates = [codes[key].shape[1] / seconds[key] for key in codes if key in seconds]
    if not rates:
        raise ValueError(
            "no utterance has both codes and audio to find the frame rate by: give "
            "--frame-rate"
        )
    rate = float(np.median(rates))
    usual = 12.5 * round(rate / 12.5)  # whole frames make the ratio a little off
    return usual if abs(usual - rate) < 0.012 * rate else rate


def of_other_length(
    codes: Codes, seconds: Mapping[str, float], frame_rate: float
) -> dict[str, str]:
    """Find utterances whose codes are longer or shorter than their audio."""
    found = {}
    for key in sorted(set(codes) & set(seconds)):
        frames, expected = codes[key].shape[1], seconds[key] * frame_rate
        if abs(frames - expected) > TOLERANCE:
            found[key] = (
                f"{frames} frames of codes and {seconds[key]:.2f} s of audio, which is "
                f"{expected:.1f} frames at {frame_rate:g} Hz; they may differ by "
                f"{TOLERANCE:g}"
            )
    return found


def split(
    whole: TokenSet, speakers: Mapping[str, str] | None, seed: int
) -> tuple[TokenSet, TokenSet, str]:
    """Split a single set into one for training and one for the test, by seed.

    Args:
        whole: The set.
        speakers: By utterance; those of the test are not in training then.
        seed: Of the draw.

    Returns:
        Training set, test set, and a sentence that says what was done.

    Raises:
        ValueError: If there are fewer than two utterances with text.
    """
    keys = sorted(whole.texts)
    if len(keys) < 2:
        raise ValueError(
            f"{len(keys)} utterance(s) with codes and text; expected at least two, one "
            "to train the downstream recogniser and one to test it"
        )
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault((speakers or {}).get(key, key), []).append(key)
    what = "speaker" if speakers else "utterance"
    if len(groups) < 2:
        groups, what = {key: [key] for key in keys}, "utterance (there is one speaker)"
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    test: list[str] = []
    for name in names[:-1]:
        test += groups[name]
        if len(test) >= TEST_SHARE * len(keys):
            break
    train = [key for key in keys if key not in set(test)]
    said = (
        f"One set was given: {len(train)} utterances train the downstream recogniser "
        f"and {len(test)} test it, split by {what} with seed {seed}. Mutual "
        "information is measured on the test utterances."
    )
    return whole.part(train), whole.part(test), said


def write_set(directory: Path, one: TokenSet) -> None:
    """Write `codes.scp` and `text` of the utterances that have both, afresh."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("codes.scp", "codes.ark"):
        (directory / name).unlink(missing_ok=True)
    with CodesWriter(directory) as writer:
        for key in sorted(one.texts):
            writer[key] = torch.from_numpy(one.codes[key])
    write_table(directory / "text", one.texts)
