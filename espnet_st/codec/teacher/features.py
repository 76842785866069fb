"""A teacher's features of a small corpus, made once and looked up in training.

The teacher gets each utterance whole, where on line it gets chunks. A hundred hours of
HuBERT's features take 28 GB: for large corpora the teacher runs on line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

INDEX = "index.json"
FEATURES = "features.npy"


def write_features(
    directory: Path,
    teacher_conf: Mapping[str, Any],
    items: Iterable[tuple[str, Tensor]],
    sample_rate: int,
    hop_length: int,
) -> int:
    """Write a teacher's features; the index last, so that it stands for a whole set.

    Args:
        directory: Gets `features.npy`, the frames of all utterances one after the other
            (frames, D) in half precision or units (frames,), and `index.json`.
        teacher_conf: Arguments of `teacher.build_teacher` that made them.
        items: Keys and features (T, D), or units (T,).
        sample_rate: Hz at which the teacher works.
        hop_length: Its samples per frame at that rate.

    Returns:
        The number of frames.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / INDEX).unlink(missing_ok=True)
    frames, arrays = {}, []
    for key, features in items:
        frames[key] = len(features)
        half = features.half() if features.is_floating_point() else features.int()
        arrays.append(half.cpu().numpy())
    np.save(directory / FEATURES, np.concatenate(arrays))
    about = {
        "teacher_conf": dict(teacher_conf),
        "sample_rate": sample_rate,
        "hop_length": hop_length,
        "frames": frames,
    }
    (directory / INDEX).write_text(json.dumps(about) + "\n")
    return sum(frames.values())


class TeacherFeatures:
    """Reads what `write_features` wrote.

    Attributes:
        teacher_conf: Arguments of `teacher.build_teacher` that made them.
        sample_rate: Hz at which the teacher works.
        hop_length: Its samples per frame at that rate.
    """

    def __init__(self, directory: str | Path):
        """Open a directory.

        Raises:
            ValueError: If a file is missing, or they do not fit.
        """
        directory = Path(directory)
        for needed in (directory / INDEX, directory / FEATURES):
            if not needed.is_file():
                raise ValueError(
                    f"{needed} is missing: make the features with "
                    "espnet_st.bin.teacher features"
                )
        about = json.loads((directory / INDEX).read_text(encoding="utf-8"))
        self.directory = directory
        self.teacher_conf = about["teacher_conf"]
        # Where they are missing the teacher was one of 50 frames per second.
        self.sample_rate: int = about.get("sample_rate", 16000)
        self.hop_length: int = about.get("hop_length", 320)
        self.values = np.load(directory / FEATURES, mmap_mode="r", allow_pickle=False)
        ends = np.cumsum(list(about["frames"].values()))
        if ends[-1] != len(self.values):
            raise ValueError(
                f"{directory} has an index of {ends[-1]} frames and "
                f"{len(self.values)} of them: make the features again"
            )
        self.spans = {
            key: (int(end) - count, int(end))
            for (key, count), end in zip(about["frames"].items(), ends)
        }

    def rows(self, key: str, n_samples: int, sample_rate: int) -> np.ndarray:
        """Find the row of the frame that each sample of an utterance is in.

        Args:
            key: Of the utterance.
            n_samples: Its length. Samples beyond the last frame, which are padding,
                belong to the last.
            sample_rate: Hz of these samples.

        Returns:
            (n_samples,).

        Raises:
            ValueError: If there is no such utterance.
        """
        if key not in self.spans:
            raise ValueError(
                f"{self.directory} has no features of {key}: make them for all "
                "training and validation data"
            )
        start, end = self.spans[key]
        frames = np.arange(n_samples) * self.sample_rate
        frames //= self.hop_length * sample_rate
        return np.minimum(start + frames, end - 1)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Look up features (..., D) float, or units (...) int64, of rows (...)."""
        values = torch.from_numpy(self.values[rows.cpu().numpy()])
        values = values.float() if values.is_floating_point() else values.long()
        return values.to(rows.device)
