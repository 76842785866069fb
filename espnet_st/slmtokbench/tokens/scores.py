"""Scores of codes against phones (table 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_ctm
from espnet_st.slmtokbench.cache import ScoreCache, file_stamps, fingerprint
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.systems import System
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts


@dataclass(frozen=True)
class Tokens:
    """Hold what is known of the codes of a system.

    Attributes:
        system: Whose they are.
        codebooks: (n_q, codebook_size, D).
        frame_rate: Frames per second.
    """

    system: System
    codebooks: Tensor
    frame_rate: float

    @property
    def n_q(self) -> int:
        """Return the number of layers."""
        return len(self.codebooks)

    def vectors(self, codes: Tensor) -> Tensor:
        """Look up each layer's entries (k, T, D) of codes (k, T)."""
        return torch.stack([book[row] for book, row in zip(self.codebooks, codes)])


def code_stamps(tokens: Tokens, names: list[str]) -> list[str]:
    """Give size and time of the files of a system's codes of some sets."""
    return file_stamps(
        tokens.system.codes_dir / name / f"codes.{kind}"
        for name in names
        for kind in ("scp", "ark")
    )


def score_codebook(
    tokens: Tokens, name: str, recipe: Recipe, cache: ScoreCache
) -> CodePhoneCounts:
    """Count codes of the first layer and phones over one set.

    Raises:
        ValueError: Codes or phone times are missing.
    """
    times = recipe.phone_times(name)
    key = f"{tokens.system.key}_{name}"
    stamp = fingerprint(
        codes=code_stamps(tokens, [name]),
        times=file_stamps([times]),
        frame_rate=tokens.frame_rate,
    )
    counted = cache.get("phones", key, stamp)
    if counted is None:
        alignments = read_ctm(times)
        reader = CodesReader(tokens.system.codes_dir / name / "codes.scp")
        first = {utt: reader[utt][0].numpy() for utt in reader if utt in alignments}
        table = CodePhoneCounts.count(
            first, alignments, tokens.codebooks.shape[1], tokens.frame_rate
        )
        counted = {
            "phones": list(table.phones),
            "counts": table.counts.tolist(),
            "skipped": table.skipped,
        }
        cache.put("phones", key, stamp, counted)
    return CodePhoneCounts(
        tuple(counted["phones"]), np.array(counted["counts"]), counted["skipped"]
    )


def score_codebooks(
    tokenizers: list[Tokens], recipe: Recipe, cache: ScoreCache
) -> tuple[list[dict], dict[str, CodePhoneCounts], dict[str, str]]:
    """Score each system's first layer on the training and on the test set (table 6).

    Returns:
        Lines of the table; counts of the training set by title, for figure 5; what is
        missing, and why.
    """
    lines, counts, missing = [], {}, {}
    for name in (recipe.train_set, recipe.test_set):
        for tokens in tokenizers:
            label = tokens.system.label
            line: dict[str, Any] = {"model": label, "tokens": "RVQ-1", "set": name}
            try:
                table = score_codebook(tokens, name, recipe, cache)
                line.update(table.summary())
            except ValueError as reason:
                missing[f"PNMI of {label} on {name}"] = str(reason)
            else:
                if name == recipe.train_set:
                    counts[f"{label} RVQ-1"] = table
            lines.append(line)
    return lines, counts, missing
