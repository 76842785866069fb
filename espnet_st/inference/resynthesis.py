"""The batch job that decodes codes to wav files: resumable, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor
from tqdm import tqdm

from espnet_st.codes import CodesReader
from espnet_st.data.audio import write_wav
from espnet_st.data.batching import batches
from espnet_st.data.corpus import Utterance
from espnet_st.data.kaldi import file_of_key, write_table
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.jobs import Job, Skipped, model_digest, tensor_digest

Value = TypeVar("Value")

CodesOfBatch = Callable[[Sequence[str], Skipped], dict[str, Tensor]]
"""Computes the codes (k, T) of utterances by key; notes in `Skipped` what fails."""


def decode_set(
    codec: AudioCoding,
    keys: Iterable[str],
    codes_of: CodesOfBatch,
    frames_of: Callable[[str], int],
    output_dir: str | Path,
    batch_size: int,
    samples_of: Callable[[str], int | None] = lambda key: None,
    settings: Mapping[str, Any] | None = None,
    describe: Callable[[str], str] = lambda key: "",
    folder: str = "wav",
) -> dict[str, str]:
    """Decode utterances into `output_dir/wav`, and index them in `wav.scp`.

    The codes of a batch are computed, decoded and written before those of the next, so
    that a killed job loses one batch at most. Files that are there already are not made
    again.

    Args:
        codec: The codec of the codes.
        keys: Keys of the utterances.
        codes_of: Computes the codes of a batch; see `codes_by_key`.
        frames_of: Gives the frames of an utterance, or raises ValueError, for batches
            of like lengths. It is called for all utterances first.
        output_dir: Where files go.
        batch_size: Utterances at once.
        samples_of: Gives the length to trim an utterance to, or None; it is asked
            after its batch was computed.
        settings: What all files depend on, see `Job`.
        describe: Says what an utterance is made from, see `Job.resume`.
        folder: Of the wav files, in `output_dir`.

    Returns:
        What was skipped, and why.

    Raises:
        ValueError: If nothing could be decoded, a key leads out of `output_dir`,
            another job works there, or it was begun with other settings or input.
    """
    output, skipped = Path(output_dir), Skipped()
    paths = {key: file_of_key(output / folder, key, ".wav") for key in keys}
    with (
        Job(output, settings or {}) as job,
        tqdm(total=len(paths), desc=output.name, unit="utt") as progress,
    ):
        done = [key for key, path in paths.items() if path.is_file()]
        missing = job.resume({key: describe(key) for key in paths}, done)
        frames = call_each(frames_of, missing, skipped)
        progress.update(len(paths) - len(frames))
        for batch in batches(list(frames), frames.__getitem__, batch_size):
            codes = codes_of(batch, skipped)
            for key, wav in decode_each(codec, codes, skipped).items():
                write_wav(paths[key], wav[: samples_of(key)], codec.sample_rate)
            progress.update(len(batch))
        written = {k: paths[k] for k in paths if k not in skipped.reasons}
        write_table(output / "wav.scp", written)
    skipped.finish(len(written))
    return skipped.reasons


def codes_by_key(codes_of: Callable[[str], Tensor]) -> CodesOfBatch:
    """Make what computes a batch of a function that computes one, or raises."""
    return lambda keys, skipped: call_each(codes_of, keys, skipped)


def call_each(
    function: Callable[[str], Value], keys: Sequence[str], skipped: Skipped
) -> dict[str, Value]:
    """Call a function for each key; note in `skipped` where it raises ValueError."""
    values = {}
    for key in keys:
        try:
            values[key] = function(key)
        except ValueError as error:
            skipped.add(key, error)
    return values


def decode_each(
    codec: AudioCoding, codes: dict[str, Tensor], skipped: Skipped
) -> dict[str, Tensor]:
    """Decode a batch; if it fails, decode one by one, to find the bad utterance."""
    if not codes:
        return {}
    try:
        return dict(zip(codes, codec.decode_batch(list(codes.values())), strict=True))
    except ValueError as error:
        if len(codes) == 1:
            skipped.add(next(iter(codes)), error)
            return {}
    wavs: dict[str, Tensor] = {}
    for key, one in codes.items():
        wavs |= decode_each(codec, {key: one}, skipped)
    return wavs


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

    def codes_of(key: str) -> Tensor:
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
    decode_set(
        codec,
        list(reader),
        codes_by_key(codes_of),
        lambda key: codes_of(key).shape[1],
        output_dir,
        batch_size,
        lengths.get,
        settings=settings,
        describe=describe,
    )
