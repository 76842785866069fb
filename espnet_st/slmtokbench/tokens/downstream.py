"""The downstream recogniser of section 2.1: BLSTM, CTC on characters.

It sees tokens only. Its word error rate and its likelihoods (`mutual_information`)
say how directly the tokens stand for text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from espnet_st.codes import pad_codes

BLANK = 0


class Characters:
    """Number the characters of a corpus from 1; 0 is the blank.

    Args:
        texts: transcripts that hold every character to be known.
    """

    def __init__(self, texts: Sequence[str]):
        self.symbols = ["<blank>", *sorted(set("".join(texts)))]
        self._ids = {symbol: index for index, symbol in enumerate(self.symbols)}

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """Return the labels of a transcript.

        Raises:
            ValueError: it is empty or holds an unknown character.
        """
        unknown = sorted(set(text) - set(self._ids))
        if unknown or not text:
            raise ValueError(
                f"{text!r}: empty, or characters not in training: {unknown}."
            )
        return [self._ids[character] for character in text]

    def decode(self, labels: Sequence[int]) -> str:
        """Return the transcript of labels without blanks."""
        return "".join(self.symbols[label] for label in labels)


class BidirectionalLSTM(nn.Module):
    """Read padded batches with a BLSTM; the padding changes nothing.

    The same as `nn.LSTM(bidirectional=True)` over packed sequences, of which the one
    direction reads each utterance from its own last frame; on a CPU it trains about
    five times as fast, since packing turns off the fused kernels.

    Args:
        input_size: D, features of a frame.
        hidden: units of each direction.
        layers: how many.
    """

    def __init__(self, input_size: int, hidden: int, layers: int):
        super().__init__()
        sizes = [input_size] + [2 * hidden] * (layers - 1)
        self.forwards = nn.ModuleList(
            nn.LSTM(size, hidden, batch_first=True) for size in sizes
        )
        self.backwards = nn.ModuleList(
            nn.LSTM(size, hidden, batch_first=True) for size in sizes
        )

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Read padded features.

        Args:
            features: (B, T, D).
            lengths: (B,) frames of each.

        Returns:
            (B, T, 2 * hidden), meaningless beyond the lengths.
        """
        frames = torch.arange(features.shape[1], device=features.device)
        turned = (lengths[:, None] - 1 - frames).remainder(features.shape[1])
        for ahead, back in zip(self.forwards, self.backwards):
            reverse = turned[..., None].expand_as(features)
            behind = back(features.gather(1, reverse))[0]
            behind = behind.gather(1, turned[..., None].expand_as(behind))
            features = torch.cat([ahead(features)[0], behind], dim=-1)
        return features


class DownstreamModel(nn.Module):
    """Sum embeddings of the codes over layers, and read them with a BLSTM and CTC.

    Args:
        codebooks: (n_layers, codebook_size, D) initial embeddings, e.g. the codec's.
        n_labels: V, blank included.
        hidden: units of each direction.
        layers: BLSTM layers.
        stack: consecutive frames seen as one; 1 is the paper's.
    """

    def __init__(
        self,
        codebooks: Tensor,
        n_labels: int,
        hidden: int = 1024,
        layers: int = 2,
        stack: int = 1,
    ):
        super().__init__()
        self.stack = stack
        self.embeddings = nn.ModuleList(
            nn.Embedding.from_pretrained(book.clone().float(), freeze=False)
            for book in codebooks
        )
        self.lstm = BidirectionalLSTM(codebooks.shape[2] * stack, hidden, layers)
        self.output = nn.Linear(2 * hidden, n_labels)

    def forward(self, codes: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute log-probabilities of labels.

        Args:
            codes: (n_layers, B, T) int64, padded.
            lengths: (B,) frames of each utterance.

        Returns:
            (B, T', V) log-probabilities and (B,) lengths, T' = ceil(T / stack).
        """
        features = sum(table(layer) for table, layer in zip(self.embeddings, codes))
        frames = torch.arange(features.shape[1], device=features.device)
        features = features * (frames < lengths[:, None])[..., None]
        padding = -features.shape[1] % self.stack
        features = functional.pad(features, (0, 0, 0, padding))
        features = features.reshape(len(features), -1, features.shape[-1] * self.stack)
        lengths = torch.div(lengths + self.stack - 1, self.stack, rounding_mode="floor")
        hidden = self.lstm(features, lengths)
        return self.output(hidden).log_softmax(dim=-1), lengths


@dataclass(frozen=True)
class TrainingOptions:
    """Say how the downstream model is trained. The defaults are the paper's.

    Attributes:
        steps: optimizer steps.
        batch_size: utterances per step.
        lr: learning rate of Adam, reached after `warmup` and brought to zero by a
            half cosine if `decay`, else constant.
        decay: see `lr`.
        hidden, layers, stack: see `DownstreamModel`.
        seed: of weights and batches.
    """

    steps: int = 200_000
    batch_size: int = 32
    lr: float = 1e-4
    decay: bool = False
    hidden: int = 1024
    layers: int = 2
    stack: int = 1
    seed: int = 0


def random_codebooks(n_layers: int, codebook_size: int, dim: int, seed: int) -> Tensor:
    """Draw normal embeddings (n_layers, codebook_size, D), the paper's other choice."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_layers, codebook_size, dim, generator=generator)


def train_downstream(
    codes: Mapping[str, Tensor],
    texts: Mapping[str, str],
    codebooks: Tensor,
    characters: Characters,
    options: TrainingOptions,
    on_step: Callable[[int, float], None] | None = None,
    device: str = "cpu",
) -> DownstreamModel:
    """Train on all utterances that have both codes and text.

    Args:
        codes: utterance id to (n_layers, T) int64.
        texts: utterance id to transcript.
        codebooks: (n_layers, codebook_size, D) initial embeddings. They are scaled
            to unit variance, so that a codec's units do not set the learning rate.
        characters: the label set.
        options: sizes and schedule.
        on_step: called with the step and its loss per character.
        device: where to train.

    Returns:
        The model, in evaluation mode.

    Raises:
        ValueError: no utterance has both.
    """
    keys = sorted(set(codes) & set(texts))
    if not keys:
        raise ValueError(
            f"None of {len(codes)} coded utterances is among {len(texts)} transcripts."
        )
    torch.manual_seed(options.seed)
    codebooks = codebooks / codebooks.std().clamp_min(1e-8)
    model = DownstreamModel(
        codebooks, len(characters), options.hidden, options.layers, options.stack
    )
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    batches = _batches(keys, codes, options)
    for step in range(1, options.steps + 1):
        batch = next(batches)
        padded, lengths = pad_codes([codes[key] for key in batch])
        labels = [torch.tensor(characters.encode(texts[key])) for key in batch]
        log_probs, frames = model(padded.to(device), lengths.to(device))
        loss = functional.ctc_loss(
            log_probs.transpose(0, 1),
            torch.cat(labels).to(device),
            frames,
            torch.tensor([len(label) for label in labels], device=device),
            blank=BLANK,
            zero_infinity=True,
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        if options.decay:
            schedule.step()
        if on_step is not None:
            on_step(step, loss.item())
    return model.eval()


def _batches(
    keys: Sequence[str], codes: Mapping[str, Tensor], options: TrainingOptions
) -> Iterator[list[str]]:
    """Yield batches of utterances of like length without end, shuffled every epoch."""
    generator = torch.Generator().manual_seed(options.seed)
    size = options.batch_size
    while True:
        order = [keys[i] for i in torch.randperm(len(keys), generator=generator)]
        pools = [order[i : i + 8 * size] for i in range(0, len(order), 8 * size)]
        batches = []
        for pool in pools:
            pool = sorted(pool, key=lambda key: codes[key].shape[1])
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        for index in torch.randperm(len(batches), generator=generator):
            yield batches[index]


@torch.no_grad()
def log_probabilities(
    model: DownstreamModel,
    codes: Mapping[str, Tensor],
    batch_size: int = 16,
) -> dict[str, Tensor]:
    """Compute label log-probabilities (T_i', V) of every utterance, on the CPU."""
    keys = sorted(codes, key=lambda key: codes[key].shape[1])
    device = next(model.parameters()).device
    found = {}
    for start in range(0, len(keys), batch_size):
        batch = keys[start : start + batch_size]
        padded, lengths = pad_codes([codes[key] for key in batch])
        log_probs, frames = model(padded.to(device), lengths.to(device))
        for key, row, length in zip(batch, log_probs, frames.tolist()):
            found[key] = row[:length].cpu().clone()
    return found


def greedy_transcript(log_probs: Tensor, characters: Characters) -> str:
    """Spell the best path (T, V) with repeats merged and blanks removed."""
    labels = torch.unique_consecutive(log_probs.argmax(dim=-1)).tolist()
    return characters.decode([label for label in labels if label != BLANK])
