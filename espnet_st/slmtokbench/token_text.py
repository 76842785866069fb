"""Text alignment of anybody's tokens."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.systems import layer_part, layer_title, resynthesis_spans
from espnet_st.slmtokbench.token_inputs import Tokens
from espnet_st.slmtokbench.token_results import KEY, Parts
from espnet_st.slmtokbench.token_sets import TokenSet, write_set
from espnet_st.slmtokbench.tokens.alignment import AlignmentTask, read_alignment
from espnet_st.slmtokbench.tokens.alignment_scores import alignment_file, score_tasks
from espnet_st.slmtokbench.tokens.downstream import random_codebooks


def _digest(one: TokenSet) -> str:
    """Hash codes and texts, which may come from memory."""
    found = hashlib.sha256()
    for key in sorted(one.texts):
        found.update(f"{key}\t{one.texts[key]}\n".encode())
        found.update(np.ascontiguousarray(one.codes[key], np.int64).tobytes())
    return found.hexdigest()


def initial_codebooks(
    tokens: Tokens, n_layers: int, config: BenchmarkConfig
) -> list[torch.Tensor]:
    """Give embeddings (size, D) of each layer for the downstream model."""
    if tokens.embeddings is None or config.downstream_init == "random":
        sizes = tokens.sizes[:n_layers]
        return random_codebooks(sizes, config.downstream_dim, config.seed)
    return [torch.from_numpy(book).float() for book in tokens.embeddings[:n_layers]]


def align_tokens(
    parts: Parts,
    tokens: Tokens,
    config: BenchmarkConfig,
    output: Path,
    cache: ScoreCache,
    device: str,
) -> None:
    """Train the downstream model on the first and on all layers."""
    if tokens.unaligned:
        parts.not_scored["text alignment"] = tokens.unaligned
        return
    sets = {"train": tokens.train, "valid": tokens.valid, "test": tokens.test}
    directory = output / "work" / "sets"
    digests = {}
    for name, one in sets.items():
        assert one is not None
        digests[name] = _digest(one)
    stamps = directory / "digests"
    text = "\n".join(digests.values())
    if not stamps.is_file() or stamps.read_text() != text:
        for name, one in sets.items():
            assert one is not None
            write_set(directory / name, one)
        stamps.write_text(text)
    tasks, inputs = {}, {}
    for span in resynthesis_spans(tokens.n_q):
        part, n_layers = layer_part(span), int(span.rpartition("-")[2])
        books = initial_codebooks(tokens, n_layers, config)
        sums = [hashlib.sha256(book.numpy().tobytes()).hexdigest() for book in books]
        inputs[part] = [digests, sums]
        tasks[part] = AlignmentTask(
            name=layer_title(span),
            directory=directory,
            texts=directory,
            train_set="train",
            valid_set="valid",
            test_set="test",
            n_layers=n_layers,
            codebooks=books,
            options=config.training_options(),
            mi_utterances=config.mi_utterances,
            mi_pairs=config.mi_pairs,
            test_utterances=config.downstream_test_utterances,
            device=device,
        )
    parts.alignment, missing = score_tasks(tasks, inputs, cache, nj=1)
    for name, reason in missing.items():
        parts.not_scored[f"text alignment of {name}"] = reason
    for part in parts.alignment:
        path = alignment_file(cache, part)
        for figure, estimate in read_alignment(path, config.seed).items():
            parts.estimates[KEY, part, figure] = estimate
