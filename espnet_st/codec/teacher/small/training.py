"""Train a small teacher: HuBERT's shape, a phoneme recogniser's losses.

No self-supervision is in it: at the size a laptop can train, a phoneme recogniser's
hidden states tell phones better than HuBERT's own objective does. Reading the data is
in `data.py`, the model in `model.py`; using a teacher in `codec/teacher/teacher.py`.
"""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from espnet_st.codec.teacher.small.data import (
    PHONES,
    Utterance,
    collate,
    epoch_batches,
    read_utterances,
)
from espnet_st.codec.teacher.small.model import (
    README,
    PhoneRecognizer,
    TeacherConfig,
    save_teacher,
)


def train_teacher(
    train_dir: Path,
    valid_dir: Path,
    output_dir: Path,
    config: TeacherConfig,
    ngpu: int = 0,
) -> list[dict[str, float]]:
    """Train, and save in Hugging Face's format.

    An interrupted run goes on from its last checkpoint and ends as it would have.

    Args:
        train_dir: Data directory with `wav.scp` and `phones`.
        valid_dir: Likewise, for the learning curve.
        output_dir: Gets the model, `README.txt`, `curve.json` and `curve.png`.
        config: Size and training.
        ngpu: 1 to train on a GPU.

    Returns:
        The learning curve: `step`, `seconds`, `train_loss`, `valid_loss`, `valid_per`.

    Raises:
        ValueError: On bad data, or a checkpoint of another configuration.
    """
    train, valid = (
        read_utterances(directory, config.sample_rate)
        for directory in (train_dir, valid_dir)
    )
    output_dir.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    device = "cuda" if ngpu > 0 else "cpu"
    model = PhoneRecognizer(config, len(PHONES)).to(device)
    size = sum(p.numel() for p in model.parameters()) / 1e6
    logging.info("%d utterances, %.2f M parameters", len(train), size)
    run = _Run(model, config, output_dir / "checkpoint.pt")
    run.resume()
    run.train(train, valid)
    save_teacher(model.encoder.cpu(), output_dir, config.sample_rate)
    (output_dir / "curve.json").write_text(json.dumps(run.curve, indent=1) + "\n")
    plot_curve(run.curve, output_dir / "curve.png")
    text = README.format(
        train_dir=train_dir.name,
        valid_dir=valid_dir.name,
        utterances=len(train),
        steps=config.max_steps,
        per=run.curve[-1]["valid_per"],
    )
    (output_dir / "README.txt").write_text(text)
    run.checkpoint.unlink()
    return run.curve


class _Run:
    """The state of a training: what a checkpoint holds, and the loop."""

    def __init__(
        self, model: PhoneRecognizer, config: TeacherConfig, checkpoint: Path
    ) -> None:
        self.model = model
        self.config = config
        self.checkpoint = checkpoint
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=0.01
        )
        self.step = 0
        self.seconds = 0.0
        self.curve: list[dict[str, float]] = []

    def resume(self) -> None:
        """Load the checkpoint if there is one."""
        if not self.checkpoint.is_file():
            return
        device = self.model.head.weight.device
        state = torch.load(self.checkpoint, map_location=device, weights_only=True)
        if state["config"] != json.dumps(asdict(self.config)):
            raise ValueError(
                f"{self.checkpoint} is of another configuration: remove it to start "
                "over, or give another --output_dir"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.curve = state["curve"]
        logging.info("going on from step %d of %s", self.step, self.checkpoint)

    def save(self) -> None:
        """Write the checkpoint; an interruption leaves the one before."""
        partial = self.checkpoint.with_suffix(".partial")
        state = {
            "config": json.dumps(asdict(self.config)),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "curve": self.curve,
        }
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)

    def train(self, train: Sequence[Utterance], valid: Sequence[Utterance]) -> None:
        """Take the steps that are left.

        Each is a function of the seed and its number, so that a resumed run equals an
        uninterrupted one.
        """
        config = self.config
        per_epoch = len(epoch_batches(train, config.batch_size, 0))
        started = time.monotonic() - self.seconds
        losses: list[float] = []
        with tqdm(total=config.max_steps, initial=self.step, desc="teacher") as bar:
            while self.step < config.max_steps:
                epoch, index = divmod(self.step, per_epoch)
                seed = 1000 * config.seed + epoch
                for batch in epoch_batches(train, config.batch_size, seed)[index:]:
                    losses.append(self.update(batch))
                    bar.update(1)
                    last = self.step == config.max_steps
                    if last or self.step % config.valid_interval == 0:
                        self.seconds = time.monotonic() - started
                        mean = sum(losses) / len(losses)
                        losses.clear()
                        self.validate(valid, mean)
                        self.save()
                    bar.set_postfix(self.curve[-1] if self.curve else {}, refresh=False)
                    if last:
                        return

    def update(self, utterances: Sequence[Utterance]) -> float:
        """Take one step, and give its loss."""
        config = self.config
        number = 1_000_003 * config.seed + self.step
        torch.manual_seed(number)
        drawn = random.Random(number).uniform(-1.0, 1.0)
        playback = 1.0 + config.playback_range * drawn
        batch = collate(utterances, self.model.grid, playback)
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * schedule(self.step, config)
        self.model.train()
        states = self.model(batch.wav)
        loss = self.model.loss(states, batch)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip)
        self.optimizer.step()
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def validate(self, valid: Sequence[Utterance], train_loss: float) -> None:
        """Add a row to the curve."""
        self.model.eval()
        losses, errors, phones = [], 0, 0
        for utterances in epoch_batches(valid, self.config.batch_size, 0):
            batch = collate(utterances, self.model.grid)
            states = self.model(batch.wav)
            loss = self.model.loss(states, batch)
            losses.append(loss.item() * len(utterances))
            decoded = self.model.decode(states, batch)
            for phones_found, utterance in zip(decoded, utterances, strict=True):
                errors += edit_distance(phones_found, utterance.phones.tolist())
                phones += len(utterance.phones)
        row = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "train_loss": round(train_loss, 4),
            "valid_loss": round(sum(losses) / len(valid), 4),
            "valid_per": round(100.0 * errors / max(phones, 1), 2),
        }
        self.curve.append(row)
        logging.info("%s", row)


def schedule(step: int, config: TeacherConfig) -> float:
    """Compute the factor on the learning rate: linear up, then down to zero."""
    up = (step + 1) / max(config.warmup_steps, 1)
    down = (config.max_steps - step) / max(config.max_steps - config.warmup_steps, 1)
    return min(up, down, 1.0)


def edit_distance(first: Sequence[int], second: Sequence[int]) -> int:
    """Compute Levenshtein's distance between two rows."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
            previous, row[j] = row[j], cost
    return row[-1]


def plot_curve(curve: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw losses and phone error rate over the steps, if matplotlib is there."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        logging.warning("%s is not drawn: pip install matplotlib", path)
        return
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = [row["step"] for row in curve]
    for name in ("train_loss", "valid_loss"):
        left.plot(steps, [row[name] for row in curve], marker="o", label=name)
    left.set(xlabel="step", ylabel="loss")
    left.legend()
    right.plot(steps, [row["valid_per"] for row in curve], marker="o")
    right.set(xlabel="step", ylabel="phone error rate, valid (%)", ylim=(0, None))
    figure.savefig(path, dpi=120)
