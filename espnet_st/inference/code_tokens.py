"""Codes as text: the tokens that ESPnet's discrete ASR (asr2) reads, and back.

A directory of tokens is what `espnet_st.bin.tokenize --format asr2` leaves for a
training set, and all that other sets, the frontend and inference need of it:

| file            | holds                                                        |
|-----------------|--------------------------------------------------------------|
| `tokens.txt`    | ESPnet's token list: blank, unknown, the tokens, sos/eos      |
| `tokens.json`   | layers, token type, whether repeats were dropped             |
| `bpe.model`     | the sentencepiece model of token type `bpe`                  |
| `codebooks.npy` | the codec's vectors (n_q, codebook_size, D), by which to know it |
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from torch import Tensor

from espnet_st.codes import check_codes, from_flat, one_utterance, to_flat
from espnet_st.inference.code_pieces import (
    FIRST_CHARACTER,
    N_CHARACTERS,
    list_pieces,
    load_pieces,
)

TOKEN_TYPES = ("word", "char", "bpe")
"""ESPnet's `src_token_type`s: named codes, a character for each, pieces of these."""
BLANK, UNKNOWN, SOS_EOS = "<blank>", "<unk>", "<sos/eos>"
NAME = re.compile(r"<codec_layer(\d+)_code(\d+)>")
"""A code's name in ESPnet's codec tokenization; its layers count from 0."""


def parse_layers(text: str | int, n_q: int) -> range:
    """Read which layers of a codec are meant.

    Args:
        text: `k` or `j-k`, counted from 1 as in the paper: `1` is the semantic layer.
        n_q: How many layers there are.

    Returns:
        Their indices from 0.

    Raises:
        ValueError: If it is of another form, or there are no such layers.
    """
    match = re.fullmatch(r"(\d+)(?:[-:](\d+))?", str(text).strip())
    if match is None:
        raise ValueError(f"layers is {text!r}; expected k or j-k, for example 1 or 1-8")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= n_q:
        raise ValueError(f"layers is {text!r}; the codec has layers 1-{n_q}")
    return range(first - 1, last)


@dataclass(frozen=True)
class TokenOptions:
    """Says how codes are written.

    Attributes:
        layers: `k` or `j-k`, counted from 1; several interleave as in `codes.to_flat`.
        token_type: One of `TOKEN_TYPES`.
        deduplicate: Whether a frame equal to the one before is dropped. The lengths of
            sounds are lost, also for the way back.
    """

    layers: str = "1"
    token_type: str = "word"
    deduplicate: bool = True


class CodeTokens:
    """Writes codes of one codec as text, and reads them back.

    Args:
        codebooks: The codec's (n_q, codebook_size, D).
        options: How codes are written.
        pieces: Of token type `bpe`, the serialized sentencepiece model.

    Raises:
        ValueError: If there are no such layers or token type, too many codes for one
            character each, or the model has pieces of other codes.
    """

    def __init__(
        self, codebooks: Tensor, options: TokenOptions, pieces: bytes | None = None
    ) -> None:
        self.codebooks = codebooks.float()
        self.n_q, self.codebook_size, _ = codebooks.shape
        self.options = options
        self.layers = parse_layers(options.layers, self.n_q)
        self.n_codes = len(self.layers) * self.codebook_size
        if options.token_type not in TOKEN_TYPES:
            raise ValueError(
                f"token_type is {options.token_type!r}; expected one of "
                + ", ".join(TOKEN_TYPES)
            )
        if options.token_type != "word" and self.n_codes > N_CHARACTERS:
            raise ValueError(
                f"layers {options.layers} have {self.n_codes} codes, and there are "
                f"{N_CHARACTERS} characters for them: take fewer layers or token_type "
                "word"
            )
        self.model: sentencepiece.SentencePieceProcessor | None = None
        if options.token_type == "bpe":
            self.model = load_pieces(pieces, self.n_codes)
        self.list = [BLANK, UNKNOWN, *self._tokens(), SOS_EOS]
        self._ids = {token: number for number, token in enumerate(self.list)}

    def _tokens(self) -> list[str]:
        if self.model is not None:
            return list_pieces(self.model)
        return [self._name(flat) for flat in range(self.n_codes)]

    def _name(self, flat: int) -> str:
        if self.options.token_type != "word":
            return chr(FIRST_CHARACTER + flat)
        row, code = divmod(flat, self.codebook_size)
        return f"<codec_layer{self.layers[row]}_code{code}>"

    def to_text(self, codes: Tensor) -> str:
        """Write the codes (n_q, T) of an utterance.

        Returns:
            A line of asr2's source text, before sentencepiece splits it.

        Raises:
            ValueError: If these are codes of another codec, or none.
        """
        codes = one_utterance(codes)
        check_codes(codes, self.codebook_size, self.n_q)
        if codes.dim() != 2 or codes.shape[1] == 0:
            raise ValueError(
                f"codes have shape {tuple(codes.shape)}; expected (n_q, T) with T at "
                "least 1: the utterance is empty"
            )
        codes = codes[list(self.layers)]
        if self.options.deduplicate:
            codes = torch.unique_consecutive(codes, dim=1)
        names = map(self._name, to_flat(codes, self.codebook_size).tolist())
        return (" " if self.options.token_type == "word" else "").join(names)

    def to_codes(self, text: str) -> Tensor:
        """Read the codes (k, T) of the chosen layers back from a line.

        Without dropped repeats it is what was written.

        Raises:
            ValueError: If the line has something else, or a frame is not whole.
        """
        words = text.split() if self.options.token_type == "word" else list(text)
        flat = [number for word in words for number in self.codes_of(word)]
        return from_flat(torch.tensor(flat), self.codebook_size, len(self.layers))

    def codes_of(self, token: str) -> list[int]:
        """Give the flat ids, below `n_codes`, of the codes of a token.

        Raises:
            ValueError: If the token has others.
        """
        if self.options.token_type != "word":
            flat = [ord(character) - FIRST_CHARACTER for character in token]
        elif match := NAME.fullmatch(token):
            layer, code = int(match[1]), int(match[2])
            inside = layer in self.layers and code < self.codebook_size
            row = layer - self.layers.start
            flat = [row * self.codebook_size + code if inside else -1]
        else:
            flat = [-1]
        if not all(0 <= number < self.n_codes for number in flat):
            raise ValueError(
                f"{token!r} is no token of layers {self.options.layers} of a codec "
                f"that has {self.n_q} codebooks of {self.codebook_size} entries"
            )
        return flat

    def to_ids(self, text: str) -> list[int]:
        """Number the tokens of a line as ESPnet does with its token list."""
        if self.model is not None:
            tokens = self.model.encode_as_pieces(text)
        else:
            tokens = text.split() if self.options.token_type == "word" else list(text)
        return [self._ids.get(token, self._ids[UNKNOWN]) for token in tokens]

    def vectors(self) -> Tensor:
        """Give each token of the list (V, D) the mean of its codes' vectors.

        The unknown token has the mean of all; blank and sos/eos have zeros.
        """
        books = self.codebooks[list(self.layers)].flatten(0, 1)  # (n_codes, D)
        rows = [books[self.codes_of(token)].mean(dim=0) for token in self.list[2:-1]]
        none = torch.zeros_like(books[0])
        return torch.stack([none, books.mean(dim=0), *rows, none])

    def check_codec(self, codebooks: Tensor) -> None:
        """Refuse a codec that is not the one of the tokens.

        Raises:
            ValueError: If its codebooks are others.
        """
        if not torch.equal(self.codebooks, codebooks.float()):
            raise ValueError(
                f"a codec with codebooks {tuple(codebooks.shape)}; the tokens are of "
                f"another, with {tuple(self.codebooks.shape)}: tokenize with that one, "
                "or make tokens anew and train on them"
            )

    def save(self, directory: str | Path) -> None:
        """Write a directory of tokens, the token list last."""
        out = Path(directory)
        out.mkdir(parents=True, exist_ok=True)
        np.save(out / "codebooks.npy", self.codebooks.numpy())
        options = json.dumps(asdict(self.options), indent=1) + "\n"
        (out / "tokens.json").write_text(options, encoding="utf-8")
        if self.model is not None:
            (out / "bpe.model").write_bytes(self.model.serialized_model_proto())
        partial = out / "tokens.txt.part"
        partial.write_text("".join(f"{token}\n" for token in self.list), "utf-8")
        partial.replace(out / "tokens.txt")

    @classmethod
    def load(cls, directory: str | Path) -> CodeTokens:
        """Read a directory of tokens.

        Raises:
            ValueError: If a file of it is missing, or they do not fit each other.
        """
        place = Path(directory)
        needed = ["tokens.txt", "tokens.json", "codebooks.npy"]
        missing = [name for name in needed if not (place / name).is_file()]
        if missing:
            raise ValueError(
                f"{place} has no {missing[0]}: expected a directory that `tokenize "
                "--format asr2` made of a training set"
            )
        try:
            saved = json.loads((place / "tokens.json").read_text(encoding="utf-8"))
            options = TokenOptions(**saved)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{place / 'tokens.json'}: {error}") from error
        model = place / "bpe.model"
        tokens = cls(
            torch.from_numpy(np.load(place / "codebooks.npy")),
            options,
            model.read_bytes() if model.is_file() else None,
        )
        lines = (place / "tokens.txt").read_text(encoding="utf-8").splitlines()
        if lines != tokens.list:
            raise ValueError(
                f"{place / 'tokens.txt'} has {len(lines)} tokens, which are not those "
                f"that the files beside it make, {len(tokens.list)}: is one of them of "
                "another directory?"
            )
        return tokens
