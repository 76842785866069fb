"""The batch job of `tts_inference`: whole sets of texts, resumable, in batches."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from espnet_st.codes import CodesReader, CodesWriter
from espnet_st.data.audio import write_wav
from espnet_st.data.batching import batches
from espnet_st.data.kaldi import file_of_key, read_table
from espnet_st.inference.jobs import Skipped
from espnet_st.uslm.decoding.synthesizer import Prompt, SynthesisResult, check_request

if TYPE_CHECKING:
    from espnet_st.inference.text2speech import Text2Speech

TYPES = {
    "text": ("text",),
    "speech": ("sound", "kaldi_ark"),
    "prompt_text": ("text",),
}
"""What a job reads, and in which of ESPnet's types."""

CUT = "did not end: cut at its limit (maxlenratio, or the model's max_frames)"


@dataclass
class Request:
    """One utterance to speak.

    Attributes:
        name: Its key.
        parts: Token ids of its parts (S_i,), spoken one by one and joined.
        prompt: The voice of all of them, if any.
        seed: Of the draws.
    """

    name: str
    parts: list[torch.Tensor]
    prompt: Prompt | None = None
    seed: int = 0

    @property
    def size(self) -> int:
        """Number of tokens of its longest part."""
        return max(map(len, self.parts))


def ended_at_once(prompt: Prompt | None, ar_prompt: bool) -> ValueError:
    """Make the error of a text for which the model gave no codes.

    Args:
        prompt: The voice that was asked for.
        ar_prompt: Of the options in use.
    """
    # Measured on models of the mini recipe. Neither candidates, guidance, a lower
    # top_p nor another seed make fewer texts end at once after a prompt; a minlenratio
    # does, but most words are wrong then.
    advice = "give a minlenratio, the fewest frames per token, or another seed"
    if ar_prompt and prompt is not None and prompt.text is not None:
        advice = (
            "give ar_prompt=False (--ar_prompt false); a model that learnt single "
            "sentences may take the prompt's for all there is to say, so that only its "
            "NAR half should hear the prompt"
        )
    return ValueError(f"the model ended at once, whatever was drawn: {advice}")


class Inputs:
    """The index files of a job.

    Args:
        triples: ESPnet's `path,name,type`.

    Raises:
        ValueError: If a triple is malformed or a name is not known or missing.
    """

    def __init__(self, triples: Sequence[str]):
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
        """What an index has for an utterance.

        Raises:
            ValueError: If it has nothing.
        """
        if name not in self.tables[kind]:
            raise ValueError(f"no line in {self.paths[kind]}")
        return self.tables[kind][name]

    def prompt(self, tts: Text2Speech, name: str) -> Prompt | None:
        """The voice of an utterance; its words may be missing.

        Raises:
            ValueError: If there should be one, and is none or one that cannot be read.
        """
        if "speech" not in self.tables:
            return None
        words = self.tables.get("prompt_text", {}).get(name)
        voice = self.get("speech", name)
        form = "codes" if torch.is_tensor(voice) else "speech"
        return tts.prompt(**{form: voice}, text=words)


def read_requests(
    tts: Text2Speech, inputs: Inputs, names: Sequence[str], skipped: Skipped
) -> list[Request]:
    """Read the texts of utterances; `skipped` takes what cannot be spoken."""
    requests = []
    for name in names:
        try:
            parts = tts.parts(inputs.get("text", name))
            seed = zlib.crc32(name.encode()) ^ tts.seed
            requests.append(Request(name, parts, seed=seed))
        except ValueError as error:
            skipped.add(name, error)
    return requests


def speak_batch(
    tts: Text2Speech, inputs: Inputs, batch: Sequence[Request], skipped: Skipped
) -> dict[str, SynthesisResult]:
    """Speak requests once their prompts are read; `skipped` takes the failing ones."""
    ready = []
    for request in batch:
        try:
            request.prompt = inputs.prompt(tts, request.name)
            for part in request.parts:
                check_request(tts.tts, part, request.prompt)
            ready.append(request)
        except ValueError as error:
            skipped.add(request.name, error)
    done = {}
    for request, spoken in zip(ready, tts.speak(ready), strict=True):
        if spoken.codes.shape[1] == 0:
            skipped.add(
                request.name, ended_at_once(request.prompt, tts.options["ar_prompt"])
            )
            continue
        if spoken.truncated:
            logging.warning("%s %s", request.name, CUT)
        done[request.name] = spoken
    return done


def speak_set(
    tts: Text2Speech,
    inputs: Inputs,
    output_dir: str | Path,
    batch_size: int,
    names: Sequence[str] | None = None,
) -> None:
    """Speak a whole set into `output_dir`: `wav/`, `wav.scp`, `codes.scp`.

    What is there already is not made again; `skipped.txt` says what could not be made
    and why.

    Args:
        tts: Speaks.
        inputs: Texts and prompts.
        output_dir: Where files go.
        batch_size: Utterances at once.
        names: Which; all texts by default.
    """
    output = Path(output_dir)
    names = list(inputs.tables["text"]) if names is None else names
    wavs = {name: file_of_key(output / "wav", name, ".wav") for name in names}
    start, seconds = time.perf_counter(), 0.0
    with CodesWriter(output) as writer:
        skipped = Skipped(output / "skipped.txt")
        there = {n for n, wav in wavs.items() if n in writer.done and wav.is_file()}
        todo = [name for name in names if name not in there]
        requests = read_requests(tts, inputs, todo, skipped)
        progress = tqdm(
            total=len(names),
            initial=len(names) - len(requests),
            desc=output.name,
            unit="utt",
        )
        for batch in batches(requests, lambda request: request.size, batch_size):
            done = speak_batch(tts, inputs, batch, skipped)
            codes = [spoken.codes for spoken in done.values()]
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
    kept = sorted(name for name in names if name not in skipped.reasons)
    lines = [f"{name} {wavs[name]}\n" for name in kept]
    (output / "wav.scp").write_text("".join(lines), encoding="utf-8")
    if seconds:
        logging.info("%.1f s of speech, real-time factor %.3f", seconds, factor)
    skipped.finish(len(kept))
