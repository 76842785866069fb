"""What a codebook knows of phones: PNMI, purities, usage (paper, section 5.3).

Everything here is a statistic of one table of counts, phones by codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet_st.data.kaldi import TimedPhone


def frame_phones(
    segments: Sequence[TimedPhone], n_frames: int, frame_rate: float
) -> list[str | None]:
    """Find the phone that fills most of each frame.

    Args:
        segments: phones with start and duration in seconds.
        n_frames: T, number of frames; frame t covers [t, t + 1) / frame_rate.
        frame_rate: frames per second.

    Returns:
        T phones; None where no phone is spoken. Of equals, the earlier one.
    """
    phones: list[str | None] = [None] * n_frames
    longest = np.zeros(n_frames)
    for start, duration, phone in sorted(segments):
        begin, end = start * frame_rate, (start + duration) * frame_rate
        for t in range(max(int(begin), 0), min(int(np.ceil(end)), n_frames)):
            overlap = min(end, t + 1) - max(begin, t)
            if overlap > longest[t] + 1e-9:
                longest[t], phones[t] = overlap, phone
    return phones


@dataclass(frozen=True)
class CodePhoneCounts:
    """Count how often each code met each phone.

    Attributes:
        phones: names of the rows.
        counts: (n_phones, codebook_size) frames.
        skipped: frames without a phone, not counted.
    """

    phones: tuple[str, ...]
    counts: np.ndarray
    skipped: int

    @classmethod
    def count(
        cls,
        codes: Mapping[str, Sequence[int] | np.ndarray],
        alignments: Mapping[str, Sequence[TimedPhone]],
        codebook_size: int,
        frame_rate: float,
        utterances: Iterable[str] | None = None,
    ) -> CodePhoneCounts:
        """Count over a corpus.

        Args:
            codes: utterance id to the codes of one layer, (T,).
            alignments: utterance id to phones with times.
            codebook_size: number of columns.
            frame_rate: frames per second of the codes.
            utterances: the ids to count; all that have both by default.

        Raises:
            ValueError: no utterance has both codes and phones.
        """
        shared = sorted(set(utterances or codes) & set(codes) & set(alignments))
        if not shared:
            raise ValueError(
                f"None of {len(codes)} coded utterances is among the "
                f"{len(alignments)} with phone times."
            )
        phones = sorted({s.phone for key in shared for s in alignments[key]})
        row = {phone: index for index, phone in enumerate(phones)}
        counts = np.zeros((len(phones), codebook_size), dtype=np.int64)
        skipped = 0
        for key in shared:
            line = np.asarray(codes[key], dtype=np.int64)
            labels = frame_phones(alignments[key], len(line), frame_rate)
            index = np.array([-1 if p is None else row[p] for p in labels])
            known = index >= 0
            skipped += int((~known).sum())
            np.add.at(counts, (index[known], line[known]), 1)
        return cls(tuple(phones), counts, skipped)

    def phones_by_code(self) -> np.ndarray:
        """Compute p(phone | code), (n_phones, codebook_size); 0 for unused codes."""
        return self.counts / np.maximum(self.counts.sum(axis=0, keepdims=True), 1)

    def summary(self) -> dict[str, float]:
        """Compute all figures of the table.

        Returns:
            `pnmi`: I(phone; code) / H(phone), in [0, 1] (0 if there is one phone);
            `phone_purity`: frames whose phone is the commonest of their code;
            `cluster_purity`: frames whose code is the commonest of their phone;
            `used`, `codebook_size`: codes met, and codes there are;
            `entropy`: of the codes, in bits; `perplexity`: 2 ** entropy;
            `frames`, `skipped`: frames counted and frames without a phone.

        Raises:
            ValueError: no frame was counted.
        """
        total = self.counts.sum()
        if total == 0:
            raise ValueError("No frame has a phone: are the times in seconds?")
        joint = self.counts / total
        phone, code = joint.sum(axis=1), joint.sum(axis=0)
        phone_entropy, code_entropy = entropy(phone), entropy(code)
        shared = max(phone_entropy + code_entropy - entropy(joint.ravel()), 0.0)
        return {
            "pnmi": shared / phone_entropy if phone_entropy > 0 else 0.0,
            "phone_purity": float(joint.max(axis=0).sum()),
            "cluster_purity": float(joint.max(axis=1).sum()),
            "used": int((code > 0).sum()),
            "codebook_size": len(code),
            "entropy": code_entropy / np.log(2.0),
            "perplexity": float(np.exp(code_entropy)),
            "frames": int(total),
            "skipped": self.skipped,
        }


def entropy(probabilities: np.ndarray) -> float:
    """Compute the entropy of a distribution (K,), in nats."""
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log(positive)).sum())
