"""Text alignment of one kind of tokens: train the downstream model, then measure.

Trained on one set, mutual information on another, word error rate on a third, as in
section 2.1 of the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.bootstrap import DRAWS, Estimate, bootstrap, ratio
from espnet_st.slmtokbench.samples import sample_keys
from espnet_st.slmtokbench.scorers.wer import corpus_wer, count_errors
from espnet_st.slmtokbench.tokens.downstream import (
    Characters,
    greedy_transcript,
    log_probabilities,
    random_codebooks,
)
from espnet_st.slmtokbench.tokens.downstream_training import (
    Checkpoint,
    TrainingOptions,
    check_layers,
    train_downstream,
)
from espnet_st.slmtokbench.tokens.mutual_information import (
    log_likelihood_matrix,
    mutual_information,
    mutual_information_estimates,
)


@dataclass(frozen=True)
class AlignmentTask:
    """Describe tokens to align with text.

    Attributes:
        name: shown on the progress bar.
        directory: of the sets' codes, `<set>/codes.scp`; texts lie in `texts`.
        texts: directory of the sets' transcripts, `<set>/text`.
        train_set, valid_set, test_set: names of the sets.
        n_layers: how many layers of codes the model sees, from the first.
        codebooks: initial embeddings (size, D) of each layer; None for random ones,
            of as many entries as the sets' codes need.
        options: of the training.
        mi_utterances: of the validation set, in the mutual information; 0 for all.
        mi_pairs: pairs of those to sample; 0 for all.
        test_utterances: of the test set, in the word error rate; 0 for all.
        bar_position: line of the progress bar.
        device: where to train.
        checkpoint: where to keep the training's state.
        figures: file (.npz) for what `read_alignment` makes intervals of.
    """

    name: str
    directory: Path
    texts: Path
    train_set: str
    valid_set: str
    test_set: str
    n_layers: int
    codebooks: Sequence[Tensor] | None
    options: TrainingOptions
    mi_utterances: int = 300
    mi_pairs: int = 0
    test_utterances: int = 0
    bar_position: int = 0
    device: str = "cpu"
    checkpoint: Checkpoint | None = None
    figures: Path | None = None


@dataclass(frozen=True)
class Pairs:
    """Hold the codes and texts of one set.

    Attributes:
        codes: utterance id to (n_layers, T).
        texts: utterance id to transcript, of the same utterances.
        unmatched: utterances that have codes or text alone.
        left_out: utterances whose codes or text are empty, or whose text holds
            characters that training never saw.
    """

    codes: dict[str, Tensor]
    texts: dict[str, str]
    unmatched: int
    left_out: int


def read_pairs(
    task: AlignmentTask, name: str, count: int = 0, known: set[str] | None = None
) -> Pairs:
    """Read the codes and texts of a set.

    Args:
        task: where they are.
        name: of the set.
        count: how many utterances to draw, 0 for all.
        known: characters that a text may hold, None for any.

    Raises:
        ValueError: files are missing, or no utterance is left.
    """
    reader = CodesReader(task.directory / name / "codes.scp")
    texts = read_table(task.texts / name / "text", allow_empty=True)
    keys = sorted(set(reader) & set(texts))
    if not keys:
        raise ValueError(
            f"{task.directory / name}: no utterance has both codes and text."
        )
    unmatched = len(set(reader) ^ set(texts))
    if count:
        keys = sample_keys(keys, count, task.options.seed)
    codes = {}
    for key in keys:
        layers = reader[key]
        if len(layers) < task.n_layers:
            raise ValueError(
                f"{name}, {key}: codes of {len(layers)} layers; "
                f"expected {task.n_layers} or more"
            )
        readable = texts[key] and (known is None or set(texts[key]) <= known)
        if readable and layers.shape[1]:
            codes[key] = layers[: task.n_layers]
    if not codes:
        raise ValueError(
            f"{name}: every text is empty or holds characters that training never "
            "saw, or its codes are empty."
        )
    kept = {key: texts[key] for key in codes}
    return Pairs(codes, kept, unmatched, len(keys) - len(codes))


def align(task: AlignmentTask) -> dict[str, Any]:
    """Train and measure.

    Returns:
        `mi` and its companions (see `mutual_information`), `mi_per_character`; `wer`
        and its companions (see `corpus_wer`); `loss`: mean over the last steps of this
        run, per character, None if all were done before; `steps`; `left_out` and
        `unmatched`: utterances of the three sets, see `Pairs`.

    Raises:
        ValueError: codes or texts are missing, or of another form, see `read_pairs`
            and `train_downstream`.
    """
    train = read_pairs(task, task.train_set)
    characters = Characters(list(train.texts.values()))
    known = set(characters.symbols)
    valid = read_pairs(task, task.valid_set, task.mi_utterances, known)
    test = read_pairs(task, task.test_set, task.test_utterances, known)
    codebooks = task.codebooks
    if codebooks is None:
        every = [row for one in (train, valid, test) for row in one.codes.values()]
        sizes = torch.stack([row.amax(1) for row in every]).amax(0) + 1
        codebooks = random_codebooks(
            sizes.tolist(), task.options.dim, task.options.seed
        )
    for one in (valid, test):
        check_layers(one.codes, [len(book) for book in codebooks])

    losses: list[float] = []
    with tqdm(
        total=task.options.steps,
        desc=task.name,
        unit="step",
        position=task.bar_position,
        mininterval=1.0,
    ) as bar:

        def on_step(step: int, loss: float) -> None:
            losses.append(loss)
            bar.update(step - bar.n)
            if step % 20 == 0:
                bar.set_postfix(loss=f"{sum(losses[-20:]) / len(losses[-20:]):.2f}")

        model = train_downstream(
            train.codes,
            train.texts,
            codebooks,
            characters,
            task.options,
            on_step,
            task.device,
            task.checkpoint,
        )
    hypotheses = {
        key: " ".join(greedy_transcript(row, characters).split())
        for key, row in log_probabilities(model, test.codes).items()
    }
    found = log_probabilities(model, valid.codes)
    keys = sorted(found)
    labels = [characters.encode(valid.texts[key]) for key in keys]
    matrix = log_likelihood_matrix(
        [found[key] for key in keys], labels, task.mi_pairs, task.options.seed
    )
    scores: dict[str, Any] = mutual_information(matrix)
    scores["mi_per_character"] = (
        scores["mi"] * len(labels) / sum(len(label) for label in labels)
    )
    scores.update(corpus_wer(test.texts, hypotheses, task.options.seed))
    tail = losses[-20:]
    scores.update(
        loss=sum(tail) / len(tail) if tail else None,
        steps=task.options.steps,
        left_out=train.left_out + valid.left_out + test.left_out,
        unmatched=train.unmatched + valid.unmatched + test.unmatched,
    )
    if task.figures is not None:
        errors = {
            key: count_errors(test.texts[key].split(), words.split())
            for key, words in hypotheses.items()
        }
        counts = {key: (one.total, one.words) for key, one in errors.items()}
        write_alignment(task.figures, keys, matrix, counts)
    return scores


def write_alignment(
    path: Path,
    keys: Sequence[str],
    matrix: Tensor,
    errors: dict[str, tuple[int, int]],
) -> None:
    """Write what `read_alignment` reads; a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.partial.npz")
    np.savez_compressed(
        partial,
        keys=np.array(keys),
        log_likelihoods=matrix.numpy().astype(np.float32),
        wer_keys=np.array(list(errors)),
        errors=np.array(list(errors.values())),
    )
    partial.replace(path)


def read_alignment(
    path: Path, seed: int = 0, draws: int = DRAWS
) -> dict[str, Estimate]:
    """Compute `mi`, `mi_lower` and `downstream_wer` with their draws.

    Args:
        path: what `align` wrote.
        seed: of the draws.
        draws: how many.

    Raises:
        ValueError: the file is missing.
    """
    if not path.is_file():
        raise ValueError(f"no {path}; stage 8 makes it")
    with np.load(path) as file:
        matrix = torch.from_numpy(file["log_likelihoods"])
        estimates = mutual_information_estimates(
            matrix, file["keys"].tolist(), seed, draws
        )
        errors = dict(zip(file["wer_keys"].tolist(), file["errors"].tolist()))
    estimates["downstream_wer"] = bootstrap(
        errors, lambda sums: 100.0 * ratio(sums), seed, draws
    )
    return estimates
