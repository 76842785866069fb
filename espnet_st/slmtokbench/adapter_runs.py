"""Tokenizing and resynthesizing a set of audio with an adapter; resumable."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from espnet_st.codes import CodesReader, CodesWriter
from espnet_st.data.audio import load_audio, write_wav
from espnet_st.data.kaldi import file_of_key, write_table
from espnet_st.slmtokbench.adapters.base import Adapter
from espnet_st.slmtokbench.cache import file_stamps, fingerprint
from espnet_st.slmtokbench.token_files import Codes
from espnet_st.slmtokbench.tokens.tokenizer import Tokenizer


def adapter_stamp(adapter: Adapter) -> str:
    """Return a fingerprint of a model's files, so that another one does not resume."""
    source = Path(adapter.source)
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    return fingerprint(name=adapter.name, files=file_stamps(files))


def adapter_tokenizer(adapter: Adapter) -> Tokenizer:
    """Wrap an adapter for the figures of stability and speed."""
    return Tokenizer(
        encode=adapter.encode,
        hop_length=adapter.hop_length,
        sample_rate=adapter.sample_rate,
        decode=adapter.decode if has_decoder(adapter) else None,
    )


def has_decoder(adapter: Adapter) -> bool:
    """Tell whether an adapter gives speech, too."""
    return type(adapter).decode is not Adapter.decode


def tokenize_audio(
    adapter: Adapter, sources: Mapping[str, str], directory: Path
) -> tuple[Codes, dict[str, str]]:
    """Tokenize audio into `directory`; what is there is not made again.

    Args:
        adapter: Encodes.
        sources: Utterance id to audio.
        directory: For the codes; its name should tell the adapter's stamp.

    Returns:
        Codes, and the utterances that could not be read, with why.

    Raises:
        ValueError: If none could.
    """
    failed = {}
    with CodesWriter(directory) as writer:
        todo = [key for key in sources if key not in writer.done]
        for key in tqdm(todo, desc="tokenize", unit="utt", mininterval=1.0):
            try:
                wav = load_audio(sources[key], adapter.sample_rate)
                writer[key] = adapter.encode([wav])[0]
            except ValueError as error:
                failed[key] = str(error)
    if len(failed) == len(sources):
        raise ValueError(f"no audio could be tokenized: {next(iter(failed.values()))}")
    reader = CodesReader(directory / "codes.scp")
    return {key: reader[key].numpy() for key in sources if key in reader}, failed


def resynthesize_codes(
    adapter: Adapter, codes: Codes, keys: Sequence[str], layers: int, directory: Path
) -> Path:
    """Decode the first layers of codes; files that are there stay.

    Returns:
        The `wav.scp`.
    """
    files = {key: file_of_key(directory / "wav", key, ".wav") for key in keys}
    todo = [key for key in keys if not files[key].is_file()]
    bar = tqdm(todo, desc=f"resynthesize {layers} of {adapter.n_q}", unit="utt")
    for key in bar:
        one = torch.from_numpy(np.ascontiguousarray(codes[key][:layers])).long()
        files[key].parent.mkdir(parents=True, exist_ok=True)
        write_wav(files[key], adapter.decode([one])[0], adapter.sample_rate)
    write_table(directory / "wav.scp", files)
    logging.info("%s: %d files", directory, len(files))
    return directory / "wav.scp"
