#!/usr/bin/env python3
"""Stage 3: a sentencepiece model of the training text, for --token_type bpe."""

import argparse
import sys
from pathlib import Path

import sentencepiece
from data_dir import exit_code
from espnet2.text.cleaner import TextCleaner

from espnet_st.data.kaldi import read_table


def train_bpe(text: Path, model: Path, pieces: int, cleaner: str) -> None:
    """Train a unigram model; it has fewer pieces where the text has not as many.

    Args:
        text: table of sentences.
        model: to write.
        pieces: how many.
        cleaner: ESPnet's, or none.

    Raises:
        ValueError: the table is at fault, or has more letters than pieces.
    """
    clean = str if cleaner == "none" else TextCleaner(cleaner)
    sentences = [clean(sentence) for sentence in read_table(text).values()]
    part = model.with_name(model.name + ".part")
    try:
        with part.open("wb") as stream:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(sentences),
                model_writer=stream,
                model_type="unigram",
                vocab_size=pieces,
                hard_vocab_limit=False,
                character_coverage=1.0,
                minloglevel=1,
            )
    except RuntimeError as error:
        raise ValueError(f"{text}: no model of {pieces} pieces: {error}") from error
    part.replace(model)


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, required=True, help="size of vocabulary")
    parser.add_argument("--cleaner", default="none", help="text cleaner, as in ESPnet")
    parser.add_argument("text", type=Path, help="e.g. dump/raw/train/text")
    parser.add_argument("model", type=Path, help="to write, e.g. bpe.model")
    args = parser.parse_args(cmd)
    return exit_code(train_bpe, args.text, args.model, args.pieces, args.cleaner)


if __name__ == "__main__":
    sys.exit(main())
