"""Text to token ids as a training run's preprocessor makes them, without its weight.

ESPnet's `build_tokenizer` imports transformers, and its phoneme tokenizer g2p_en,
which takes ten seconds and tries to download: here only what is used is imported.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from espnet2.text.abs_tokenizer import AbsTokenizer
from espnet2.text.token_id_converter import TokenIDConverter

from espnet_st.checkpoints.uslm_release import G2P
from espnet_st.inference.espeak import phonemes
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


class TextTokens:
    """Text to token ids.

    Args:
        config: The training run's configuration.
    """

    def __init__(self, config: dict[str, Any]):
        self.cleaner = str
        if config.get("cleaner") is not None:
            from espnet2.text.cleaner import TextCleaner

            self.cleaner = TextCleaner(config["cleaner"])
        self.tokenizer = build_tokenizer(config)
        self.converter = TokenIDConverter(token_list=config["token_list"])

    def __call__(self, text: str) -> torch.Tensor:
        """Give token ids (S,); what the model does not know is `<unk>`, with a warning.

        Raises:
            ValueError: If nothing is left of the text, or nothing of it is known.
        """
        tokens = self._tokens(text)
        if not tokens:
            raise ValueError(f"text {text!r} has nothing to speak: give some words")
        unknown = sorted(set(tokens) - self.converter.token2id.keys())
        if unknown:
            strange = f"text {text!r} has symbols that the model never saw: {unknown}"
            if not set(tokens) - {*unknown, "<space>"}:
                raise ValueError(f"{strange}, and no others: is it of its language?")
            logging.warning("%s; they become <unk>", strange)
        return torch.tensor(self.converter.tokens2ids(tokens))

    def parts(self, text: str, limit: int) -> list[torch.Tensor]:
        """Give token ids of a text in parts of at most `limit` tokens; 0 for whole.

        Raises:
            ValueError: As the call.
        """
        if limit == 0:
            return [self(text)]
        parts = split_text(text, limit, lambda part: len(self._tokens(part)))
        # A dash alone, say, has nothing to speak.
        return [self(part) for part in parts if self._tokens(part)] or [self(text)]

    def _tokens(self, text):
        return self.tokenizer.text2tokens(self.cleaner(text)) if text.strip() else []
