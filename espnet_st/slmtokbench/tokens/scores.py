"""Scores of tokens: text alignment (table 3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from espnet_st.slmtokbench.cache import ScoreCache, file_stamps, fingerprint
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.processes import threads_each, worker_pool
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.systems import (
    System,
    layer_part,
    layer_title,
    resynthesis_spans,
)
from espnet_st.slmtokbench.tokens.alignment import AlignmentTask, align
from espnet_st.slmtokbench.tokens.downstream import random_codebooks


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


def _code_stamps(tokens: Tokens, names: list[str]) -> list[str]:
    return file_stamps(
        tokens.system.codes_dir / name / f"codes.{kind}"
        for name in names
        for kind in ("scp", "ark")
    )


def score_alignment(
    tokenizers: list[Tokens],
    recipe: Recipe,
    config: BenchmarkConfig,
    cache: ScoreCache,
    nj: int,
    device: str = "cpu",
) -> tuple[dict[str, dict], dict[str, str]]:
    """Score text alignment of the first and of all layers of each system.

    Args:
        tokenizers: The systems' tokens.
        recipe: Where texts are.
        config: Sizes of the downstream model.
        cache: Of finished scores.
        nj: Processes; on a GPU there is one.
        device: Where the downstream models are trained.

    Returns:
        Condition key to figures (see `align`); title to why there are none.
    """
    sets = [recipe.train_set, recipe.valid_set, recipe.test_set]
    found, missing, stamps = {}, {}, {}
    todo: dict[str, AlignmentTask] = {}
    for tokens in tokenizers:
        for span in resynthesis_spans(tokens.n_q):
            key = f"{tokens.system.key}_{layer_part(span)}"
            task = _alignment_task(tokens, span, recipe, config)
            task = replace(task, bar_position=len(todo), device=device)
            stamps[key] = fingerprint(
                codes=_code_stamps(tokens, sets),
                texts=file_stamps(recipe.raw_dir / name / "text" for name in sets),
                options=task.options.__dict__,
                init=config.downstream_init,
                sizes=(task.mi_utterances, task.max_utterances, task.n_layers),
            )
            scores = cache.get("alignment", key, stamps[key])
            if scores is not None:
                logging.info("alignment of %s: scored before", key)
                found[key] = scores
            else:
                todo[key] = task
    for key, (scores, reason) in _align_all(todo, nj if device == "cpu" else 1):
        if scores is None:
            missing[todo[key].name] = reason
            continue
        cache.put("alignment", key, stamps[key], scores)
        found[key] = scores
    return found, missing


def _alignment_task(
    tokens: Tokens, span: str, recipe: Recipe, config: BenchmarkConfig
) -> AlignmentTask:
    """Describe the task of aligning the layers of a span with text."""
    n_layers = int(span.rpartition("-")[2])
    books = tokens.codebooks[:n_layers]
    if config.downstream_init == "random":
        _, size, dim = books.shape
        books = random_codebooks(n_layers, size, dim, config.seed)
    return AlignmentTask(
        name=f"{tokens.system.label} {layer_title(span)}",
        directory=tokens.system.codes_dir,
        texts=recipe.raw_dir,
        train_set=recipe.train_set,
        valid_set=recipe.valid_set,
        test_set=recipe.test_set,
        n_layers=n_layers,
        codebooks=books,
        options=config.training_options(),
        mi_utterances=config.mi_utterances,
        max_utterances=config.max_utterances,
    )


Aligned = tuple[dict[str, Any] | None, str]
"""Figures and "", or None and why there are none."""


def _align_all(
    tasks: Mapping[str, AlignmentTask], nj: int
) -> Iterator[tuple[str, Aligned]]:
    """Yield key and result of each task; the machine's cores are shared among them."""
    workers = min(nj, len(tasks))
    threads = threads_each(workers)
    if workers <= 1:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            for key, task in tasks.items():
                yield key, _try_align(task)
        finally:
            torch.set_num_threads(before)
        return
    with worker_pool(workers, threads) as pool:
        futures = {pool.submit(_try_align, t): key for key, t in tasks.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _try_align(task: AlignmentTask) -> Aligned:
    try:
        return align(task), ""
    except ValueError as reason:
        return None, str(reason)
