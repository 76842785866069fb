"""Decoding what a verb computes, to one file or to many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_st.bin.verbs.output import Output
from espnet_st.data.audio import wav_bytes
from espnet_st.data.corpus import Utterance
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.encoding import CodesOfInputs
from espnet_st.inference.jobs import NothingDone, Skipped, model_digest
from espnet_st.inference.resynthesis import CodesOfBatch, decode_each, decode_set


def write_wavs(
    codec: AudioCoding,
    inputs: Mapping[str, Utterance],
    sources: CodesOfInputs,
    codes_of: CodesOfBatch,
    output: Output,
    batch_size: int,
    settings: Mapping[str, Any],
) -> int:
    """Decode inputs, and return the exit code: 1 if some of them failed.

    Args:
        codec: Decodes.
        inputs: What is decoded, by key.
        sources: The codes of the inputs.
        codes_of: The codes to decode: `sources`, or what is made of them.
        output: Where wav files go.
        batch_size: Inputs at once.
        settings: What results depend on beside codec and inputs, see `Job`.
    """
    if not output.is_directory:
        skipped = Skipped()
        codes = codes_of(list(inputs), skipped)
        for key, wav in decode_each(codec, codes, skipped).items():
            trimmed = wav[: sources.samples(key)]
            output.write(wav_bytes(trimmed, codec.sample_rate))
        return int(bool(skipped.reasons))
    assert output.path is not None
    try:
        reasons = decode_set(
            codec,
            list(inputs),
            codes_of,
            sources.frames,
            output.path,
            batch_size,
            sources.samples,
            settings={"codec": model_digest(codec.generator)} | dict(settings),
            describe=sources.describe,
            folder=".",
        )
    except NothingDone:
        return 1
    return int(bool(reasons))
