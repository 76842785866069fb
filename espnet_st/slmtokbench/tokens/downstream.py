"""The downstream recogniser of section 2.1: BLSTM, CTC on characters.

It sees tokens only. Its word error rate and its likelihoods (`mutual_information`)
say how directly the tokens stand for text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
        codebooks: initial embeddings (size, D) of each layer, e.g. the codec's. Where
            D differs, the narrower ones are filled up with zeros, which are trained.
        n_labels: V, blank included.
        hidden: units of each direction.
        layers: BLSTM layers.
        stack: consecutive frames seen as one; 1 is the paper's.
    """

    def __init__(
        self,
        codebooks: Sequence[Tensor],
        n_labels: int,
        hidden: int = 1024,
        layers: int = 2,
        stack: int = 1,
    ):
        super().__init__()
        self.stack = stack
        dim = max(book.shape[1] for book in codebooks)
        self.embeddings = nn.ModuleList(
            nn.Embedding.from_pretrained(
                functional.pad(book.float(), (0, dim - book.shape[1])).clone(),
                freeze=False,
            )
            for book in codebooks
        )
        self.lstm = BidirectionalLSTM(dim * stack, hidden, layers)
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
        return self.output(hidden).float().log_softmax(dim=-1), lengths


def random_codebooks(sizes: Sequence[int], dim: int, seed: int) -> list[Tensor]:
    """Draw normal embeddings (size, D) of each layer, the paper's other choice."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, dim, generator=generator) for size in sizes]


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
