"""Writing codes of a set as the source text of ESPnet's discrete ASR (asr2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_table, write_table
from espnet_st.inference.code_pieces import train_pieces
from espnet_st.inference.code_tokens import CodeTokens, TokenOptions
from espnet_st.inference.jobs import Job, Skipped, tensor_digest, text_digest

SRC_TEXT = "src_text"
"""Name of the table that asr2 reads, by the name that its data has in ESPnet."""


def write_src_text(
    codes_scp: str | Path,
    codebooks: Tensor,
    output_dir: str | Path,
    options: TokenOptions,
    pieces: int = 0,
    bad: Mapping[str, str] | None = None,
) -> None:
    """Make the tokens of a training set: its source text and a directory of tokens.

    Args:
        codes_scp: Codes that `tokenize_set` wrote.
        codebooks: Of their codec (n_q, codebook_size, D).
        output_dir: Where `src_text`, `skipped.txt` and the tokens go.
        options: How codes are written.
        pieces: Of token type `bpe`, how many to train.
        bad: Utterances that have no codes, and why, for `skipped.txt`.

    Raises:
        ValueError: If nothing could be written, an option is wrong, the codes are of
            another codec, or `output_dir` was begun with other options or input.
    """
    is_bpe = options.token_type == "bpe"
    if is_bpe != (pieces > 0):
        raise ValueError(
            f"token_type {options.token_type} with {pieces} pieces; expected pieces, "
            "for example 2000, with bpe and none without"
        )
    # Sentencepiece splits what token type `char` writes.
    plain = CodeTokens(
        codebooks, replace(options, token_type="char") if is_bpe else options
    )

    def save_tokens(texts: Mapping[str, str]) -> None:
        tokens = plain
        if is_bpe:
            model = train_pieces(texts.values(), pieces, plain.n_codes)
            tokens = CodeTokens(codebooks, options, model)
        tokens.save(output_dir)

    settings = asdict(options) | {"pieces": pieces}
    _write(codes_scp, plain, output_dir, settings, bad or {}, save_tokens)


def write_src_text_like(
    tokens_dir: str | Path,
    codes_scp: str | Path,
    codebooks: Tensor,
    output_dir: str | Path,
    bad: Mapping[str, str] | None = None,
) -> None:
    """Write another set, such as a test set, with the tokens of a training set.

    Args:
        tokens_dir: The directory of tokens.
        codes_scp: As in `write_src_text`, like the rest.
        codebooks: Of their codec.
        output_dir: Where `src_text` and `skipped.txt` go.
        bad: Utterances that have no codes, and why.

    Raises:
        ValueError: As in `write_src_text`; also if the codec is not that of the tokens.
    """
    tokens = CodeTokens.load(tokens_dir)
    tokens.check_codec(codebooks)
    settings = asdict(tokens.options) | {"tokens": text_digest("\n".join(tokens.list))}
    _write(codes_scp, tokens, output_dir, settings, bad or {}, lambda texts: None)


def _write(
    codes_scp: str | Path,
    tokens: CodeTokens,
    output_dir: str | Path,
    settings: Mapping[str, Any],
    bad: Mapping[str, str],
    save_tokens: Callable[[Mapping[str, str]], None],
) -> None:
    """Write `src_text` as a whole, after what `save_tokens` makes of it."""
    output, codes = Path(output_dir), CodesReader(codes_scp)
    beside = Path(codes_scp).with_name("codebooks.npy")
    if beside.is_file():
        tokens.check_codec(torch.from_numpy(np.load(beside)))
    table = output / SRC_TEXT
    settings = dict(settings) | {"codec": tensor_digest(tokens.codebooks)}
    with Job(output, settings) as job:
        done = read_table(table) if table.is_file() else {}
        missing = job.resume(read_table(codes_scp), done)
        skipped = Skipped(output / "skipped.txt")
        for key, reason in bad.items():
            skipped.add(key, ValueError(reason))
        texts = {}
        for key in missing:
            try:
                texts[key] = tokens.to_text(codes[key])
            except ValueError as error:
                skipped.add(key, error)
        if texts:
            if not done:
                save_tokens(texts)
            write_table(table, done | texts)
    skipped.finish(len(done) + len(texts))
