"""Text alignment of one kind of tokens: train the downstream model, then measure.

Trained on one set, mutual information on another, word error rate on a third, as in
section 2.1 of the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.samples import sample_keys
from espnet_st.slmtokbench.scorers.wer import corpus_wer
from espnet_st.slmtokbench.tokens.downstream import (
    Characters,
    TrainingOptions,
    greedy_transcript,
    log_probabilities,
    train_downstream,
)
from espnet_st.slmtokbench.tokens.mutual_information import (
    log_likelihood_matrix,
    mutual_information,
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
        codebooks: (n_layers, codebook_size, D) initial embeddings.
        options: of the training.
        mi_utterances: of the validation set, in the mutual information.
        max_utterances: of the test set, in the word error rate.
        bar_position: line of the progress bar.
        device: where to train.
    """

    name: str
    directory: Path
    texts: Path
    train_set: str
    valid_set: str
    test_set: str
    n_layers: int
    codebooks: Tensor
    options: TrainingOptions
    mi_utterances: int
    max_utterances: int
    bar_position: int = 0
    device: str = "cpu"


def align(task: AlignmentTask) -> dict[str, Any]:
    """Train and measure.

    Returns:
        `mi` and its companions (see `mutual_information`), `mi_per_character`; `wer`
        and its companions (see `corpus_wer`); `loss`: mean over the last steps, per
        character; `steps`; `left_out`: texts of characters that training never saw.

    Raises:
        ValueError: codes or texts are missing.
    """
    codes, texts = {}, {}
    for name, count in (
        (task.train_set, None),
        (task.valid_set, task.mi_utterances),
        (task.test_set, task.max_utterances),
    ):
        reader = CodesReader(task.directory / name / "codes.scp")
        texts[name] = read_table(task.texts / name / "text")
        keys = sorted(set(reader) & set(texts[name]))
        if not keys:
            raise ValueError(
                f"{task.directory / name}: no utterance has both codes and text."
            )
        if count is not None:
            keys = sample_keys(keys, count, task.options.seed)
        codes[name] = {key: reader[key][: task.n_layers] for key in keys}
    characters = Characters(list(texts[task.train_set].values()))
    left_out = _drop_unknown(codes, texts, characters, task)

    losses = []
    with tqdm(
        total=task.options.steps,
        desc=task.name,
        unit="step",
        position=task.bar_position,
        mininterval=1.0,
    ) as bar:

        def on_step(step: int, loss: float) -> None:
            losses.append(loss)
            bar.update()
            if step % 20 == 0:
                bar.set_postfix(loss=f"{sum(losses[-20:]) / 20:.2f}")

        model = train_downstream(
            codes[task.train_set],
            texts[task.train_set],
            task.codebooks,
            characters,
            task.options,
            on_step,
            task.device,
        )
    hypotheses = {
        key: " ".join(greedy_transcript(row, characters).split())
        for key, row in log_probabilities(model, codes[task.test_set]).items()
    }
    valid = log_probabilities(model, codes[task.valid_set])
    keys = sorted(valid)
    labels = [characters.encode(texts[task.valid_set][key]) for key in keys]
    scores = mutual_information(
        log_likelihood_matrix([valid[key] for key in keys], labels)
    )
    scores["mi_per_character"] = (
        scores["mi"] * len(labels) / sum(len(label) for label in labels)
    )
    scores.update(corpus_wer(texts[task.test_set], hypotheses, task.options.seed))
    tail = losses[-20:]
    scores.update(
        loss=sum(tail) / len(tail), steps=task.options.steps, left_out=left_out
    )
    return scores


def _drop_unknown(
    codes: dict[str, dict],
    texts: Mapping[str, Mapping[str, str]],
    characters: Characters,
    task: AlignmentTask,
) -> int:
    """Leave out what the label set cannot spell; return how many."""
    dropped = 0
    for name in (task.valid_set, task.test_set):
        known = set(characters.symbols)
        bad = [key for key in codes[name] if not set(texts[name][key]) <= known]
        for key in bad:
            del codes[name][key]
        dropped += len(bad)
        if not codes[name]:
            raise ValueError(
                f"{name}: every text holds characters that training never saw."
            )
    return dropped
