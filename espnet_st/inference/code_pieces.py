"""Pieces of several codes: sentencepiece on codes that are written as characters."""

from __future__ import annotations

import io
from collections.abc import Iterable

import sentencepiece

FIRST_CHARACTER, N_CHARACTERS = 0x4E00, 0x9FFF - 0x4E00 + 1
"""The CJK ideographs, which asr2 takes for codes: sentencepiece leaves them alone."""


def train_pieces(texts: Iterable[str], size: int, n_codes: int) -> bytes:
    """Train sentencepiece (unigram) on lines of token type `char`.

    Each code has a piece of its own, also one that does not occur. Where the texts have
    not as many pieces there are fewer.

    Args:
        texts: Of the training set.
        size: Pieces, sentencepiece's three of its own included.
        n_codes: Codes, as in `CodeTokens.n_codes`.

    Returns:
        The serialized model, for `CodeTokens`.

    Raises:
        ValueError: If `size` is less than the codes need, or there are no texts.
    """
    if size < n_codes + 3:
        raise ValueError(
            f"{size} pieces for {n_codes} codes; expected at least {n_codes + 3}"
        )
    stream = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=stream,
            model_type="unigram",
            vocab_size=size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            required_chars="".join(chr(FIRST_CHARACTER + i) for i in range(n_codes)),
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            max_sentence_length=1 << 20,
            minloglevel=1,
        )
    except RuntimeError as error:
        raise ValueError(f"no model of {size} pieces: {error}") from error
    return stream.getvalue()


def load_pieces(
    serialized: bytes | None, n_codes: int
) -> sentencepiece.SentencePieceProcessor:
    """Load what `train_pieces` gave.

    Raises:
        ValueError: If it is missing or no model, or has pieces of other codes.
    """
    if serialized is None:
        raise ValueError("token_type bpe without a sentencepiece model: bpe.model")
    model = sentencepiece.SentencePieceProcessor()
    try:
        model.load_from_serialized_proto(serialized)
    except RuntimeError as error:
        raise ValueError(f"bpe.model is no sentencepiece model: {error}") from error
    for piece in list_pieces(model):
        if not all(0 <= ord(one) - FIRST_CHARACTER < n_codes for one in piece):
            raise ValueError(
                f"bpe.model has the piece {piece!r}, which is not of the {n_codes} "
                "codes: it was trained on other layers, another codec or a text"
            )
    return model


def list_pieces(model: sentencepiece.SentencePieceProcessor) -> list[str]:
    """List the pieces without sentencepiece's own: unknown, start and end."""
    return [
        model.id_to_piece(number)
        for number in range(model.get_piece_size())
        if not (model.is_unknown(number) or model.is_control(number))
    ]
