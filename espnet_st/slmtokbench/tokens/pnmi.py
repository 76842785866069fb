"""What a codebook knows of phones: PNMI, purities, usage (paper, section 5.3).

Everything here is a statistic of one table of counts, phones by codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet_st.data.kaldi import TimedPhone
from espnet_st.slmtokbench.tokens.phone_times import check_phone_times


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
    ordered = sorted(segments)
    if not ordered:
        return phones
    begin = np.array([segment.start for segment in ordered]) * frame_rate
    end = begin + np.array([segment.duration for segment in ordered]) * frame_rate
    first = np.clip(np.floor(begin), 0, n_frames).astype(np.int64)
    last = np.clip(np.ceil(end), first, n_frames).astype(np.int64)
    # Every pair of a segment and a frame that it touches.
    segment_of = np.repeat(np.arange(len(ordered)), last - first)
    starts = np.cumsum(last - first) - (last - first)
    frame_of = np.arange(len(segment_of)) + np.repeat(first - starts, last - first)
    overlap = np.minimum(end[segment_of], frame_of + 1)
    overlap -= np.maximum(begin[segment_of], frame_of)
    overlap = np.round(overlap, 9)
    # Ascending overlap, of equals the later segment first: the last one to be written
    # is the frame's.
    for pair in np.lexsort((-segment_of, overlap)):
        if overlap[pair] > 0:
            phones[frame_of[pair]] = ordered[segment_of[pair]].phone
    return phones


@dataclass(frozen=True)
class FrameLabels:
    """Hold the phone of each frame of a corpus.

    Attributes:
        phones: Names, sorted.
        rows: Utterance id to (T,) indices of phones; -1 where no phone is spoken.
    """

    phones: tuple[str, ...]
    rows: Mapping[str, np.ndarray]

    @classmethod
    def of(
        cls,
        n_frames: Mapping[str, int],
        alignments: Mapping[str, Sequence[TimedPhone]],
        frame_rate: float,
    ) -> FrameLabels:
        """Label the frames of all utterances that have phone times.

        Args:
            n_frames: Utterance id to T.
            alignments: Utterance id to phones with times.
            frame_rate: Frames per second.

        Raises:
            ValueError: No utterance has both, or the times are not of these codes (see
                `check_phone_times`).
        """
        shared = sorted(set(n_frames) & set(alignments))
        if not shared:
            raise ValueError(
                f"None of {len(n_frames)} coded utterances is among the "
                f"{len(alignments)} with phone times."
            )
        lasting = {key: n_frames[key] / frame_rate for key in shared}
        check_phone_times(lasting, alignments)
        phones = sorted({s.phone for key in shared for s in alignments[key]})
        index: dict[str | None, int] = {phone: i for i, phone in enumerate(phones)}
        index[None] = -1
        rows = {}
        for key in shared:
            labels = frame_phones(alignments[key], n_frames[key], frame_rate)
            rows[key] = np.array([index[label] for label in labels], dtype=np.int64)
        return cls(tuple(phones), rows)


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
    ) -> CodePhoneCounts:
        """Count over all utterances that have both codes and phones.

        Args:
            codes: utterance id to the codes of one layer, (T,).
            alignments: utterance id to phones with times.
            codebook_size: number of columns.
            frame_rate: frames per second of the codes.

        Raises:
            ValueError: see `FrameLabels.of` and `count_labels`.
        """
        n_frames = {key: len(line) for key, line in codes.items()}
        labels = FrameLabels.of(n_frames, alignments, frame_rate)
        return cls.count_labels(codes, labels, codebook_size)

    @classmethod
    def count_labels(
        cls,
        codes: Mapping[str, Sequence[int] | np.ndarray],
        labels: FrameLabels,
        codebook_size: int,
    ) -> CodePhoneCounts:
        """Count over the utterances of `labels`.

        Raises:
            ValueError: a code is not of the codebook.
        """
        counts = np.zeros((len(labels.phones), codebook_size), dtype=np.int64)
        skipped = 0
        for key, rows in labels.rows.items():
            line = np.asarray(codes[key], dtype=np.int64)
            if line.size and not (line.min() >= 0 and line.max() < codebook_size):
                raise ValueError(
                    f"codes of {key} lie in [{line.min()}, {line.max()}]; expected "
                    f"[0, {codebook_size - 1}]"
                )
            known = rows >= 0
            skipped += int((~known).sum())
            np.add.at(counts, (rows[known], line[known]), 1)
        return cls(labels.phones, counts, skipped)

    def phones_by_code(self) -> np.ndarray:
        """Compute p(phone | code), (n_phones, codebook_size); 0 for unused codes."""
        return self.counts / np.maximum(self.counts.sum(axis=0, keepdims=True), 1)

    def sorted_codes(self) -> np.ndarray:
        """Order codes (codebook_size,) as figure 5 does.

        By their commonest phone, those of one phone from the surest on; codes that were
        never used come last.
        """
        share = self.phones_by_code()
        used = self.counts.sum(axis=0) > 0
        commonest = np.where(used, share.argmax(axis=0), len(self.phones))
        return np.lexsort((-share.max(axis=0), commonest))

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
