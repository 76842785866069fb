"""What a teacher says of a small corpus, made once and looked up in training.

The teacher hears each utterance whole, where on line it hears chunks. A hundred hours
of HuBERT's features take 28 GB: for large corpora the teacher runs on line.
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
) -> int:
    """Write what a teacher says; the index last, so that it stands for a whole set.

    Args:
        directory: Gets `features.npy`, the frames of all utterances one after the other
            (frames, D) in half precision or units (frames,), and `index.json`.
        teacher_conf: Arguments of `teachers.build_teacher` that made them.
        items: Keys and features (T, D), or units (T,).

    Returns:
        Frames.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / INDEX).unlink(missing_ok=True)
    frames, said = {}, []
    for key, features in items:
        frames[key] = len(features)
        half = features.half() if features.is_floating_point() else features.int()
        said.append(half.cpu().numpy())
    np.save(directory / FEATURES, np.concatenate(said))
    about = {"teacher_conf": dict(teacher_conf), "frames": frames}
    (directory / INDEX).write_text(json.dumps(about) + "\n")
    return sum(frames.values())


class TeacherFeatures:
    """Reads what `write_features` wrote.

    Attributes:
        teacher_conf: Arguments of `teachers.build_teacher` that made them.
    """

    def __init__(self, directory: str | Path):
        """Open it.

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

    def rows(self, key: str, n_samples: int, hop_length: int) -> np.ndarray:
        """The row of the frame that each sample of an utterance is in (n_samples,).

        Samples beyond the last frame, which are padding, belong to the last.

        Raises:
            ValueError: If there is no such utterance.
        """
        if key not in self.spans:
            raise ValueError(
                f"{self.directory} has no features of {key}: make them for all "
                "training and validation data"
            )
        start, end = self.spans[key]
        return np.minimum(start + np.arange(n_samples) // hop_length, end - 1)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Features (..., D) float, or units (...) int64, of rows (...)."""
        values = torch.from_numpy(self.values[rows.cpu().numpy()])
        values = values.float() if values.is_floating_point() else values.long()
        return values.to(rows.device)
