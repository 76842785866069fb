"""The batch job of `tts_inference`: sets of texts, resumable, batch by batch."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from espnet_st.codes import CodesReader, CodesWriter
from espnet_st.data.audio import write_wav
from espnet_st.data.batching import batches
from espnet_st.data.corpus import Utterance
from espnet_st.data.kaldi import file_of_key, read_table, write_table
from espnet_st.inference.jobs import Job, Skipped, model_digest, tensor_digest
from espnet_st.inference.requests import TRUNCATED, Request, ended_at_once
from espnet_st.inference.text2speech import Text2Speech
from espnet_st.uslm.decoding.prompts import Prompt
from espnet_st.uslm.decoding.synthesizer import SynthesisResult

TYPES = {
    "text": ("text",),
    "speech": ("sound", "kaldi_ark"),
    "prompt_text": ("text",),
}
"""Data that a job reads, and ESPnet's types that each may have."""


class Inputs:
    """The index files of a job.

    Args:
        triples: ESPnet's `path,name,type`.

    Raises:
        ValueError: If a triple is malformed or a name is not known or missing.
    """

    def __init__(self, triples: Sequence[str]) -> None:
        self.paths: dict[str, str] = {}
        self.tables: dict[str, Mapping[str, Any]] = {}
        for triple in triples:
            path, name, kind = (triple.rsplit(",", 2) + ["", ""])[:3]
            if kind not in TYPES.get(name, ()):
                known = ", ".join(
                    f"FILE,{part},{form}" for part in TYPES for form in TYPES[part]
                )
                raise ValueError(f"data {triple!r}: expected one of {known}")
            self.paths[name] = path
            self.tables[name] = (
                CodesReader(path) if kind == "kaldi_ark" else read_table(path)
            )
        if "text" not in self.paths:
            raise ValueError(
                "no text: give --data_path_and_name_and_type FILE,text,text"
            )

    def get(self, kind: str, name: str) -> Any:
        """Look up an utterance in an index.

        Args:
            kind: Name of the data.
            name: Key of the utterance.

        Raises:
            ValueError: If the index does not have it.
        """
        if name not in self.tables[kind]:
            raise ValueError(f"no line in {self.paths[kind]}")
        return self.tables[kind][name]

    def describe(self, name: str) -> str:
        """Say what an utterance is made from: texts, and the source of its prompt."""
        parts = []
        for kind, table in self.tables.items():
            value = table.get(name, "")
            if torch.is_tensor(value):
                value = tensor_digest(value)
            elif kind == "speech":
                value = Utterance(value).identity()
            parts.append(f"{kind} {value}")
        return "\n".join(parts)

    def prompt(self, tts: Text2Speech, name: str) -> Prompt | None:
        """Read the prompt of an utterance; its text may be missing.

        Raises:
            ValueError: If prompts are given, and this one is missing or unreadable.
        """
        if "speech" not in self.tables:
            return None
        text = self.tables.get("prompt_text", {}).get(name)
        voice = self.get("speech", name)
        if torch.is_tensor(voice):
            return tts.prompt(codes=voice, text=text)
        return tts.prompt(speech=voice, text=text)


def read_requests(
    tts: Text2Speech, inputs: Inputs, names: Sequence[str], skipped: Skipped
) -> list[Request]:
    """Read the texts of utterances; note in `skipped` those that cannot be spoken."""
    requests = []
    for name in names:
        try:
            parts = tts.parts(inputs.get("text", name))
            seed = zlib.crc32(name.encode()) ^ tts.seed
            requests.append(Request(name, parts, seed=seed))
        except ValueError as error:
            skipped.add(name, error)
    return requests


def synthesize_batch(
    tts: Text2Speech, inputs: Inputs, batch: Sequence[Request], skipped: Skipped
) -> dict[str, SynthesisResult]:
    """Read the prompts of a batch and speak it; note failures in `skipped`."""
    ready = []
    for request in batch:
        try:
            request.prompt = inputs.prompt(tts, request.name)
            for part in request.parts:
                tts.tts.synthesizer.limits.check_request(part, request.prompt)
            ready.append(request)
        except ValueError as error:
            skipped.add(request.name, error)
    done = {}
    for request, result in zip(ready, tts.synthesize(ready), strict=True):
        if result.codes.shape[1] == 0:
            skipped.add(
                request.name, ended_at_once(request.prompt, tts.options["ar_prompt"])
            )
            continue
        if result.truncated:
            logging.warning("%s %s", request.name, TRUNCATED)
        done[request.name] = result
    return done


def speaking_settings(tts: Text2Speech) -> dict[str, Any]:
    """Give what all that a model speaks depends on, for a `Job`."""
    return tts.options | {
        "uslm": model_digest(tts.tts),
        "codec": model_digest(tts.codec.generator),
        "seed": tts.seed,
        "max_tokens": tts.max_tokens,
    }


def synthesize_set(
    tts: Text2Speech,
    inputs: Inputs,
    output_dir: str | Path,
    batch_size: int,
    names: Sequence[str] | None = None,
) -> None:
    """Speak a set of texts into `output_dir`: `wav/`, `wav.scp`, `codes.scp`.

    Each batch is written before the next one is spoken. Utterances that are there
    already are not spoken again. `skipped.txt` lists what could not be spoken, and why.

    Args:
        tts: The model.
        inputs: Texts and prompts.
        output_dir: Where files go.
        batch_size: Utterances at once.
        names: Keys of the utterances to speak; all texts by default.

    Raises:
        ValueError: If nothing could be spoken, a key leads out of `output_dir`, another
            job works there, or it was begun with another model, option or input.
    """
    output = Path(output_dir)
    names = list(inputs.tables["text"]) if names is None else names
    wavs = {name: file_of_key(output / "wav", name, ".wav") for name in names}
    start, seconds = time.perf_counter(), 0.0
    with Job(output, speaking_settings(tts)) as job, CodesWriter(output) as writer:
        skipped = Skipped(output / "skipped.txt")
        there = {n for n, wav in wavs.items() if n in writer.done and wav.is_file()}
        todo = job.resume({name: inputs.describe(name) for name in names}, there)
        requests = read_requests(tts, inputs, todo, skipped)
        progress = tqdm(
            total=len(names),
            initial=len(names) - len(requests),
            desc=output.name,
            unit="utt",
        )
        for batch in batches(requests, lambda request: request.size, batch_size):
            done = synthesize_batch(tts, inputs, batch, skipped)
            codes = [result.codes for result in done.values()]
            for name, wav in zip(done, tts.codec.decode_batch(codes), strict=True):
                write_wav(wavs[name], wav, tts.fs)
                if name not in writer.done:
                    writer[name] = done[name].codes
                seconds += len(wav) / tts.fs
            progress.update(len(batch))
            if seconds:
                factor = (time.perf_counter() - start) / seconds
                progress.set_postfix(rtf=f"{factor:.3f}")
        progress.close()
        kept = {name: wavs[name] for name in names if name not in skipped.reasons}
        write_table(output / "wav.scp", kept)
    if seconds:
        logging.info("%.1f s of speech, real-time factor %.3f", seconds, factor)
    skipped.finish(len(kept))
