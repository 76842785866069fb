"""The batch job that turns codes into wav files; resumable, bad items named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from espnet_st.codes import CodesReader
from espnet_st.data.audio import write_wav
from espnet_st.data.batching import batches
from espnet_st.data.corpus import Utterance
from espnet_st.data.kaldi import file_of_key
from espnet_st.inference.jobs import Job, Skipped, model_digest, tensor_digest

if TYPE_CHECKING:
    from espnet_st.inference.audio_coding import AudioCoding


def _decode_each(
    codec: AudioCoding, codes: dict[str, torch.Tensor], skipped: Skipped
) -> dict[str, torch.Tensor]:
    """Waveforms by key; if the batch fails, one by one, to find the bad item."""
    try:
        return dict(zip(codes, codec.decode_batch(list(codes.values())), strict=True))
    except ValueError as error:
        if len(codes) == 1:
            skipped.add(next(iter(codes)), error)
            return {}
    wavs: dict[str, torch.Tensor] = {}
    for key, one in codes.items():
        wavs |= _decode_each(codec, {key: one}, skipped)
    return wavs


def decode_set(
    codec: AudioCoding,
    keys: Iterable[str],
    codes_of: Callable[[str], torch.Tensor],
    output_dir: str | Path,
    batch_size: int,
    samples_of: Callable[[str], int | None] = lambda key: None,
) -> None:
    """Decode utterances into `output_dir/wav`, and index them in `wav.scp`.

    What is there already is not made again.

    Args:
        codec: Decodes.
        keys: Utterances.
        codes_of: Gives an utterance's codes (k, T), or raises ValueError.
        output_dir: Where files go.
        batch_size: Utterances at once.
        samples_of: Gives the length to trim an utterance to, or None.
    """
    output, skipped = Path(output_dir), Skipped()
    paths = {key: file_of_key(output / "wav", key, ".wav") for key in keys}
    codes: dict[str, torch.Tensor] = {}
    for key, path in paths.items():
        if path.is_file():
            continue
        try:
            codes[key] = codes_of(key)
        except ValueError as error:
            skipped.add(key, error)
    progress = tqdm(
        total=len(paths), initial=len(paths) - len(codes), desc=output.name, unit="utt"
    )
    with progress:
        for batch in batches(list(codes), lambda key: codes[key].shape[-1], batch_size):
            wavs = _decode_each(codec, {key: codes[key] for key in batch}, skipped)
            for key, wav in wavs.items():
                write_wav(paths[key], wav[: samples_of(key)], codec.sample_rate)
            progress.update(len(batch))
    made = [key for key in sorted(paths) if key not in skipped.reasons]
    output.mkdir(parents=True, exist_ok=True)
    (output / "wav.scp").write_text(
        "".join(f"{key} {paths[key]}\n" for key in made), encoding="utf-8"
    )
    skipped.finish(len(made))


def resynthesize_set(
    codec: AudioCoding,
    reader: CodesReader,
    output_dir: str | Path,
    batch_size: int,
    layers: int | None = None,
    originals: Mapping[str, Utterance] | None = None,
) -> None:
    """Decode all codes of a reader into `output_dir`, as `decode_set` does.

    Args:
        codec: Decodes.
        reader: Codes by utterance.
        output_dir: Where files go.
        batch_size: Utterances at once.
        layers: How many of the first layers to decode; all by default.
        originals: What was encoded, as far as it is known, to trim to its length at
            the codec's rate, whatever its own rate is.

    Raises:
        ValueError: If another job works in `output_dir`, or it was begun with another
            codec, number of layers or input.
    """
    known = originals or {}
    lengths: dict[str, int] = {}

    def codes_of(key: str) -> torch.Tensor:
        if key in known:  # here, so that one that cannot be read is named
            lengths[key] = known[key].count_samples(codec.sample_rate)
        return reader[key][:layers]

    def describe(key: str) -> str:
        original = known[key].identity() if key in known else ""
        try:
            return f"{tensor_digest(reader[key][:layers])} {original}"
        except ValueError:  # decoding will name it
            return original

    settings = {"codec": model_digest(codec.generator), "layers": layers or codec.n_q}
    with Job(output_dir, settings) as job:
        wavs = {key: file_of_key(job.output / "wav", key, ".wav") for key in reader}
        job.resume(
            {key: describe(key) for key in reader},
            [key for key, wav in wavs.items() if wav.is_file()],
        )
        decode_set(codec, list(reader), codes_of, job.output, batch_size, lengths.get)
