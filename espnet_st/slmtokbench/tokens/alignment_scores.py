"""Scores of text alignment of all systems (table 3), resumed one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from espnet_st.slmtokbench.cache import ScoreCache, file_stamps, fingerprint
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.processes import threads_each, worker_pool
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.systems import layer_part, layer_title, resynthesis_spans
from espnet_st.slmtokbench.tokens.alignment import AlignmentTask, align
from espnet_st.slmtokbench.tokens.downstream import random_codebooks
from espnet_st.slmtokbench.tokens.downstream_training import Checkpoint
from espnet_st.slmtokbench.tokens.scores import Tokens, code_stamps


def alignment_file(cache: ScoreCache, key: str) -> Path:
    """Name the file of a condition that `read_alignment` reads."""
    return cache.directory / "alignment" / f"{key}.npz"


def _checkpoint_file(cache: ScoreCache, key: str) -> Path:
    """Name the file of an unfinished training."""
    return cache.directory / "alignment" / f"{key}.checkpoint.pt"


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
    sets = [
        config.downstream_train_set or recipe.train_set,
        config.downstream_valid_set or recipe.valid_set,
        recipe.test_set,
    ]
    texts = file_stamps(recipe.raw_dir / name / "text" for name in sets)
    tasks, inputs = {}, {}
    for tokens in tokenizers:
        for span in resynthesis_spans(tokens.n_q):
            key = f"{tokens.system.key}_{layer_part(span)}"
            task = _alignment_task(tokens, span, sets, recipe, config)
            tasks[key] = replace(task, device=device)
            inputs[key] = [code_stamps(tokens, sets), texts, config.downstream_init]
    return score_tasks(tasks, inputs, cache, nj if device == "cpu" else 1)


def score_tasks(
    tasks: Mapping[str, AlignmentTask],
    inputs: Mapping[str, Any],
    cache: ScoreCache,
    nj: int,
) -> tuple[dict[str, dict], dict[str, str]]:
    """Align tokens with text; what the cache has is not done again.

    Args:
        tasks: What to align, by the name of its figures in the cache.
        inputs: By the same names, what identifies codes, texts and embeddings (JSON
            types).
        cache: Of finished scores, and of trainings that were killed.
        nj: Processes.

    Returns:
        Name to figures (see `align`); name of a task to why there are none.
    """
    found, missing, stamps = {}, {}, {}
    todo: dict[str, AlignmentTask] = {}
    for key, task in tasks.items():
        stamps[key] = fingerprint(
            inputs=inputs[key],
            options=asdict(task.options),
            sizes=(
                task.mi_utterances,
                task.mi_pairs,
                task.test_utterances,
                task.n_layers,
            ),
        )
        scores = cache.get("alignment", key, stamps[key])
        if scores is not None and alignment_file(cache, key).is_file():
            logging.info("alignment of %s: scored before", key)
            found[key] = scores
            continue
        todo[key] = replace(
            task,
            bar_position=len(todo),
            checkpoint=Checkpoint(_checkpoint_file(cache, key), stamps[key]),
            figures=alignment_file(cache, key),
        )
    for key, (scores, reason) in _align_all(todo, nj):
        if scores is None:
            missing[todo[key].name] = reason
            continue
        cache.put("alignment", key, stamps[key], scores)
        _checkpoint_file(cache, key).unlink(missing_ok=True)
        found[key] = scores
    return found, missing


def _alignment_task(
    tokens: Tokens,
    span: str,
    sets: list[str],
    recipe: Recipe,
    config: BenchmarkConfig,
) -> AlignmentTask:
    """Describe the task of aligning the layers of a span with text."""
    n_layers = int(span.rpartition("-")[2])
    books = list(tokens.codebooks[:n_layers])
    if config.downstream_init == "random":
        sizes = [len(book) for book in books]
        books = random_codebooks(sizes, config.downstream_dim, config.seed)
    return AlignmentTask(
        name=f"{tokens.system.label} {layer_title(span)}",
        directory=tokens.system.codes_dir,
        texts=recipe.raw_dir,
        train_set=sets[0],
        valid_set=sets[1],
        test_set=sets[2],
        n_layers=n_layers,
        codebooks=books,
        options=config.training_options(),
        mi_utterances=config.mi_utterances,
        mi_pairs=config.mi_pairs,
        test_utterances=config.downstream_test_utterances,
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
