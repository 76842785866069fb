"""Text to token ids, as a training run's preprocessor makes them.

ESPnet's `build_tokenizer` imports transformers, and its phoneme tokenizer g2p_en,
which takes ten seconds and tries to download. Here only what is used is imported.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable
from typing import Any

import torch
from espnet2.text.abs_tokenizer import AbsTokenizer
from espnet2.text.token_id_converter import TokenIDConverter
from torch import Tensor

from espnet_st.checkpoints.uslm_release import G2P
from espnet_st.inference.espeak import phonemes
from espnet_st.inference.scripts import foreign_characters
from espnet_st.inference.sentences import split_text
from espnet_st.lazy import import_lazily


def build_tokenizer(config: dict[str, Any]) -> AbsTokenizer:
    """Build the tokenizer of a training run's configuration.

    Raises:
        ValueError: If its `token_type` is none of TTSTask's.
    """
    kind, symbols = config["token_type"], config.get("non_linguistic_symbols")
    if kind == "phn":
        import_lazily("g2p_en")
        from espnet2.text.phoneme_tokenizer import PhonemeTokenizer

        if config.get("g2p") == G2P:
            tokenizer = PhonemeTokenizer(None, non_linguistic_symbols=symbols)
            tokenizer.g2p = phonemes
            return tokenizer
        return PhonemeTokenizer(config.get("g2p"), non_linguistic_symbols=symbols)
    if kind == "char":
        from espnet2.text.char_tokenizer import CharTokenizer

        return CharTokenizer(non_linguistic_symbols=symbols)
    if kind == "word":
        from espnet2.text.word_tokenizer import WordTokenizer

        return WordTokenizer(non_linguistic_symbols=symbols)
    if kind == "bpe":
        from espnet2.text.sentencepiece_tokenizer import SentencepiecesTokenizer

        return SentencepiecesTokenizer(config["bpemodel"])
    raise ValueError(f"token_type {kind!r}: expected phn, char, word or bpe")


def is_punctuation(token: str) -> bool:
    """Tell whether a token is nothing but punctuation marks."""
    marks = token.removeprefix("\u2581")  # SentencePiece's mark of a word's start
    return all(unicodedata.category(one).startswith("P") for one in marks)


def single_spaces(tokens: list[str]) -> list[str]:
    """Leave out `<space>` at both ends of a text, and after another one."""
    kept: list[str] = []
    for token in tokens:
        if token != "<space>" or kept[-1:] not in ([], ["<space>"]):
            kept.append(token)
    return kept[:-1] if kept[-1:] == ["<space>"] else kept


class TextTokens:
    """Converter from text to token ids.

    Args:
        config: The training run's configuration.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.cleaner: Callable[[str], str] = str
        if config.get("cleaner") is not None:
            from espnet2.text.cleaner import TextCleaner

            self.cleaner = TextCleaner(config["cleaner"])
        self.tokenizer = build_tokenizer(config)
        self.converter = TokenIDConverter(token_list=config["token_list"])
        self._g2p = config.get("g2p") if config["token_type"] == "phn" else None
        self._reported: set[str] = set()

    def __call__(self, text: str) -> Tensor:
        """Convert a text to token ids (S,).

        Letters of a script that the G2P does not read are left out before it, and
        symbols that the model never saw become `<unk>`, both with a warning that names
        each of them once. Punctuation that the model never saw is left out.

        Raises:
            ValueError: If nothing is left of the text, or nothing of it is known.
        """
        tokens, foreign = self._read(text)
        unknown = sorted(set(tokens) - self.converter.token2id.keys())
        known = set(tokens) - {*unknown, "<space>"}
        if foreign and not known:
            raise ValueError(
                f"text {text!r} has letters that the G2P {self._g2p} does not read: "
                f"{foreign}, and no others: is it of the model's language?"
            )
        if not tokens:
            raise ValueError(f"text {text!r} has nothing to speak: give some words")
        strange = f"text {text!r} has symbols that the model never saw: {unknown}"
        if unknown and not known:
            raise ValueError(f"{strange}, and no others: is it of its language?")
        self._report_foreign(text, foreign)
        if self._are_new(unknown):
            logging.warning("%s; they become <unk>", strange)
        return torch.tensor(self.converter.tokens2ids(tokens))

    def parts(self, text: str, limit: int) -> list[Tensor]:
        """Convert a text to token ids in parts of at most `limit` tokens; 0 for whole.

        Raises:
            ValueError: If nothing is left of the text, or nothing of it is known.
        """
        if limit == 0:
            return [self(text)]
        self._report_foreign(text, self._read(text)[1])
        parts = split_text(text, limit, lambda part: len(self._read(part)[0]))
        # A dash alone, say, has nothing to speak.
        return [self(part) for part in parts if self._read(part)[0]] or [self(text)]

    def unspoken(self, text: str) -> list[str]:
        """List the letters of a text that the G2P does not read, and new symbols."""
        tokens, foreign = self._read(text)
        return [*foreign, *sorted(set(tokens) - self.converter.token2id.keys())]

    def _read(self, text: str) -> tuple[list[str], list[str]]:
        """Split a text into tokens, and find letters that the G2P does not read."""
        cleaned = self.cleaner(text) if text.strip() else ""
        foreign = foreign_characters(cleaned, self._g2p)
        cleaned = "".join(one for one in cleaned if one not in foreign)
        tokens = self.tokenizer.text2tokens(cleaned) if cleaned.strip() else []
        known = self.converter.token2id
        kept = [t for t in tokens if t in known or not is_punctuation(t)]
        if foreign or len(kept) < len(tokens):
            kept = single_spaces(kept)
        return kept, foreign

    def _report_foreign(self, text: str, foreign: list[str]) -> None:
        """Warn of letters that the G2P does not read."""
        if self._are_new(foreign):
            logging.warning(
                "text %r has letters that the G2P %s does not read: %s; they are left "
                "out",
                text,
                self._g2p,
                foreign,
            )

    def _are_new(self, symbols: list[str]) -> bool:
        """Tell whether one of these symbols has not been reported, and note them."""
        new = set(symbols) - self._reported
        self._reported |= new
        return bool(new)
