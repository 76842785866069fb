"""Scores of tokens: text alignment (table 3) and codes against phones (table 6)."""

from __future__ import annotations

import logging
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_ctm
from espnet_st.slmtokbench.cache import RowCache, file_stamps, fingerprint
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.scorers.scoring import worker_pool
from espnet_st.slmtokbench.tokens.alignment import AlignmentTask, align
from espnet_st.slmtokbench.tokens.downstream import random_codebooks
from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts


@dataclass(frozen=True)
class Tokens:
    """The codes of one codec.

    Attributes:
        key: "speechtokenizer" or "baseline", as in the conditions.
        model: name in the tables.
        directory: holds `<set>/codes.scp`.
        codebooks: (n_q, codebook_size, D).
        frame_rate: frames per second.
    """

    key: str
    model: str
    directory: Path
    codebooks: torch.Tensor
    frame_rate: float


def _code_stamps(tokens: Tokens, names: list[str]) -> list[str]:
    return file_stamps(
        tokens.directory / name / f"codes.{kind}"
        for name in names
        for kind in ("scp", "ark")
    )


def score_alignment(
    codecs: list[Tokens],
    recipe: Recipe,
    config: BenchmarkConfig,
    cache: RowCache,
    nj: int,
) -> tuple[dict[str, dict], dict[str, str]]:
    """Text alignment of RVQ-1 and of all layers of each codec.

    Returns:
        Condition key to figures (see `align`), and to why there are none.
    """
    sets = [recipe.train_set, recipe.valid_set, recipe.test_set]
    found, missing, todo = {}, {}, {}
    for tokens in codecs:
        n_q = len(tokens.codebooks)
        for part, n_layers in (("rvq1", 1), (f"rvq1_{n_q}", n_q)):
            key = f"{tokens.key}_{part}"
            books = tokens.codebooks[:n_layers]
            if config.downstream_init == "random":
                books = random_codebooks(*books.shape, seed=config.seed)
            task = AlignmentTask(
                name=f"downstream {key}",
                directory=tokens.directory,
                texts=recipe.raw_dir,
                train_set=recipe.train_set,
                valid_set=recipe.valid_set,
                test_set=recipe.test_set,
                n_layers=n_layers,
                codebooks=books,
                options=config.training_options(),
                mi_utterances=config.mi_utterances,
                max_utterances=config.max_utterances,
                bar_position=len(todo),
            )
            stamp = fingerprint(
                codes=_code_stamps(tokens, sets),
                texts=file_stamps(recipe.raw_dir / name / "text" for name in sets),
                options=task.options.__dict__,
                init=config.downstream_init,
                sizes=(task.mi_utterances, task.max_utterances, n_layers),
            )
            row = cache.get("alignment", key, stamp)
            if row is not None:
                logging.info("alignment of %s: scored before", key)
                found[key] = row
            else:
                todo[key] = (task, stamp)
    for key, (result, reason) in _align_all(
        {key: task for key, (task, _) in todo.items()}, nj
    ):
        if result is None:
            missing[key] = reason
            continue
        cache.put("alignment", key, todo[key][1], result)
        found[key] = result
    return found, missing


def _align_all(tasks: dict[str, AlignmentTask], nj: int):
    """Yield key and (figures, None) or (None, reason) of each task."""
    if nj <= 1:
        for key, task in tasks.items():
            yield key, _try_align(task)
    elif tasks:
        with worker_pool(min(nj, len(tasks))) as pool:
            futures = {pool.submit(_try_align, t): key for key, t in tasks.items()}
            for future in as_completed(futures):
                yield futures[future], future.result()


def _try_align(task: AlignmentTask) -> tuple[dict | None, str]:
    try:
        return align(task), ""
    except ValueError as reason:
        return None, str(reason)


def score_codebook(
    tokens: Tokens, name: str, recipe: Recipe, cache: RowCache
) -> CodePhoneCounts:
    """Counts of RVQ-1 codes and phones over one set.

    Raises:
        ValueError: codes or phone times are missing.
    """
    times = recipe.phone_times(name)
    stamp = fingerprint(codes=_code_stamps(tokens, [name]), times=file_stamps([times]))
    row = cache.get("phones", f"{tokens.key}_{name}", stamp)
    if row is None:
        alignments = read_ctm(times)
        reader = CodesReader(tokens.directory / name / "codes.scp")
        first = {key: reader[key][0].numpy() for key in reader if key in alignments}
        table = CodePhoneCounts.count(
            first, alignments, tokens.codebooks.shape[1], tokens.frame_rate
        )
        row = {
            "phones": list(table.phones),
            "counts": table.counts.tolist(),
            "skipped": table.skipped,
        }
        cache.put("phones", f"{tokens.key}_{name}", stamp, row)
    return CodePhoneCounts(
        tuple(row["phones"]), np.array(row["counts"]), row["skipped"]
    )
