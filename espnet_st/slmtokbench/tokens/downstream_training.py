"""Training of the downstream recogniser, which a killed process can go on with."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from espnet_st.codes import check_codes, pad_codes
from espnet_st.slmtokbench.tokens.downstream import BLANK, Characters, DownstreamModel

SAVE_EVERY = 120.0
"""Seconds between two checkpoints."""


@dataclass(frozen=True)
class TrainingOptions:
    """Say how the downstream model is trained. The defaults are the paper's.

    Attributes:
        steps: optimizer steps.
        batch_size: utterances per step.
        lr: learning rate of Adam, brought to zero by a half cosine if `decay`, else
            constant.
        decay: see `lr`.
        hidden, layers, stack: see `DownstreamModel`.
        dim: D of random embeddings.
        precision: "float32", "bfloat16" (autocast), or "auto", which is bfloat16 on
            a GPU and float32 on a CPU.
        seed: of weights and batches.
    """

    steps: int = 200_000
    batch_size: int = 32
    lr: float = 1e-4
    decay: bool = False
    hidden: int = 1024
    layers: int = 2
    stack: int = 1
    dim: int = 1024
    precision: str = "auto"
    seed: int = 0

    def uses_bfloat16(self, device: str) -> bool:
        """Say whether the forward pass is autocast to bfloat16 on a device."""
        if self.precision == "auto":
            return torch.device(device).type == "cuda"
        return self.precision == "bfloat16"


class BatchOrder:
    """Give batches of utterances of like length, shuffled every epoch, without end.

    Args:
        lengths: utterance id to frames.
        size: utterances of a batch.
        seed: of the order.
    """

    def __init__(self, lengths: Mapping[str, int], size: int, seed: int):
        self._lengths, self._size = lengths, size
        self._generator = torch.Generator().manual_seed(seed)
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._epoch_state = self._generator.get_state()
        self._given = 0
        keys, size = list(self._lengths), self._size
        permutation = torch.randperm(len(keys), generator=self._generator)
        order = [keys[index] for index in permutation]
        batches = []
        for start in range(0, len(order), 8 * size):
            pool = sorted(
                order[start : start + 8 * size], key=self._lengths.__getitem__
            )
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        shuffled = torch.randperm(len(batches), generator=self._generator)
        self._batches = [batches[index] for index in shuffled]

    def next(self) -> list[str]:
        """Return the next batch's utterance ids."""
        if self._given == len(self._batches):
            self._start_epoch()
        self._given += 1
        return self._batches[self._given - 1]

    def state_dict(self) -> dict[str, Any]:
        """Return where the order stands."""
        return {"generator": self._epoch_state, "given": self._given}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another order of the same utterances stood."""
        self._generator.set_state(state["generator"])
        self._start_epoch()
        self._given = state["given"]


@dataclass(frozen=True)
class Checkpoint:
    """Say where a training keeps its state.

    Attributes:
        path: the file, which its owner deletes when it has what it needs.
        stamp: fingerprint of all that the training depends on; a file with another
            one is not read.
        seconds: between two writings.
    """

    path: Path
    stamp: str
    seconds: float = SAVE_EVERY

    def load(self) -> dict[str, Any] | None:
        """Read the state, or None if this training left none, or a damaged one."""
        if not self.path.is_file():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            return state if state["stamp"] == self.stamp else None
        except Exception as error:  # whatever a damaged file makes torch.load raise
            logging.warning(
                "%s is damaged (%s): training starts anew",
                self.path,
                str(error).partition("\n")[0],
            )
            return None

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state; a killed process leaves the file before or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        torch.save({**state, "stamp": self.stamp}, partial)
        partial.replace(self.path)


@contextmanager
def _no_subnormals() -> Iterator[None]:
    """Have a CPU take subnormal numbers for zero.

    Where little is left to learn, gradients sink that low, and the LSTM's backward pass
    takes ten times as long.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@_no_subnormals()
def train_downstream(
    codes: Mapping[str, Tensor],
    texts: Mapping[str, str],
    codebooks: Sequence[Tensor],
    characters: Characters,
    options: TrainingOptions,
    on_step: Callable[[int, float], None] | None = None,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
) -> DownstreamModel:
    """Train on all utterances that have both codes and text.

    Args:
        codes: utterance id to (n_layers, T) int64.
        texts: utterance id to transcript.
        codebooks: initial embeddings (size, D) of each layer. They are scaled to unit
            variance, so that a codec's units do not set the learning rate.
        characters: the label set.
        options: sizes and schedule.
        on_step: called with the step and its loss per character; after a resumption,
            from the first step that is done anew.
        device: where to train.
        checkpoint: where to keep the state, and to go on from. On a CPU the weights
            of an interrupted training end as those of an uninterrupted one, bit by bit.

    Returns:
        The model, in evaluation mode.

    Raises:
        ValueError: no utterance has both, codes do not fit the embeddings, an
            embedding is not finite, or the loss is NaN.
    """
    keys = sorted(set(codes) & set(texts))
    if not keys:
        raise ValueError(
            f"None of {len(codes)} coded utterances is among {len(texts)} transcripts."
        )
    check_layers({key: codes[key] for key in keys}, [len(book) for book in codebooks])
    if not all(book.isfinite().all() for book in codebooks):
        raise ValueError("Embeddings hold NaN or infinity; expected finite numbers.")
    torch.manual_seed(options.seed)
    scale = torch.cat([book.float().flatten() for book in codebooks]).std()
    model = DownstreamModel(
        [book.float() / scale.clamp_min(1e-8) for book in codebooks],
        len(characters),
        options.hidden,
        options.layers,
        options.stack,
    )
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    lengths = {key: codes[key].shape[1] for key in keys}
    order = BatchOrder(lengths, options.batch_size, options.seed)
    parts = {
        "model": model,
        "optimizer": optimizer,
        "schedule": schedule,
        "order": order,
    }
    done = 0
    state = checkpoint.load() if checkpoint else None
    if state is not None:
        done = state["step"]
        for name, part in parts.items():
            part.load_state_dict(state[name])  # type: ignore[attr-defined]
    saved = time.monotonic()
    kind, narrow = torch.device(device).type, options.uses_bfloat16(device)
    for step in range(done + 1, options.steps + 1):
        batch = order.next()
        padded, frames = pad_codes([codes[key] for key in batch])
        labels = [torch.tensor(characters.encode(texts[key])) for key in batch]
        with torch.autocast(kind, torch.bfloat16, enabled=narrow):
            log_probs, frames = model(padded.to(device), frames.to(device))
        loss = functional.ctc_loss(
            log_probs.transpose(0, 1),
            torch.cat(labels).to(device),
            frames,
            torch.tensor([len(label) for label in labels], device=device),
            blank=BLANK,
            zero_infinity=True,
        )
        if log_probs.isnan().any() or loss.isnan():
            raise ValueError(f"The loss is NaN in step {step}: lower downstream_lr.")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        if options.decay:
            schedule.step()
        if on_step is not None:
            on_step(step, loss.item())
        due = time.monotonic() - saved >= checkpoint.seconds if checkpoint else False
        if checkpoint and (due or step == options.steps):
            states = {
                name: part.state_dict()  # type: ignore[attr-defined]
                for name, part in parts.items()
            }
            checkpoint.save({**states, "step": step})
            saved = time.monotonic()
    return model.eval()


def check_layers(codes: Mapping[str, Tensor], sizes: Sequence[int]) -> None:
    """Refuse codes that do not fit the embeddings' sizes.

    Raises:
        ValueError: with the utterance and the layer.
    """
    for key, layers in codes.items():
        if len(layers) != len(sizes):
            raise ValueError(
                f"{key}: codes of {len(layers)} layers; expected {len(sizes)}"
            )
        for number, (layer, size) in enumerate(zip(layers, sizes), 1):
            try:
                check_codes(layer[None], size)
            except ValueError as error:
                raise ValueError(f"{key}, layer {number}: {error}") from error
