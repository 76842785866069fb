"""The batch job of `tts_inference`: whole sets of texts, resumable, in batches."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from espnet_st.bin.audio import read_audio, read_index, write_wav
from espnet_st.bin.jobs import Skipped, batches
from espnet_st.codes import CodesWriter
from espnet_st.uslm.decoding import Prompt

if TYPE_CHECKING:
    from espnet_st.bin.tts_inference import Text2Speech


@dataclass
class Request:
    """One utterance to speak: token ids, and the prompt if there is one."""

    name: str
    text: torch.Tensor
    prompt: Prompt | None

    @property
    def size(self) -> int:
        """Number of tokens."""
        return len(self.text)


def read_requests(
    tts: Text2Speech, data: dict[str, str], names: list[str], skipped: Skipped
) -> list[Request]:
    """Read texts and prompts of the named utterances, and encode the prompts.

    Args:
        tts: The model.
        data: Index files by name: `text`, and if wanted `speech`, `prompt_text`.
        names: Utterances to read.
        skipped: Takes the unreadable ones.
    """
    index = {name: read_index(path) for name, path in data.items()}
    requests = []
    for name in tqdm(names, desc="prompts", unit="utt"):
        try:
            missing = [part for part, table in index.items() if name not in table]
            if missing:
                raise ValueError(f"no line in {', '.join(data[m] for m in missing)}")
            prompt = None
            if "speech" in index:
                wav, rate = read_audio(index["speech"][name])
                words = index.get("prompt_text", {}).get(name)
                prompt = tts.prompt(tts.codec.encode(wav, rate), words)
            requests.append(Request(name, tts.tokens(index["text"][name]), prompt))
        except ValueError as error:
            skipped.add(name, error)
    return requests


def speak_batch(
    tts: Text2Speech, requests: list[Request], skipped: Skipped
) -> dict[str, torch.Tensor]:
    """Codes (n_q, T) of the requests; a bad one does not spoil the others."""
    try:
        seeds = [zlib.crc32(r.name.encode()) ^ tts.seed for r in requests]
        spoken = tts.tts.synthesize(
            [r.text for r in requests],
            [r.prompt for r in requests],
            seeds=seeds,
            **tts.options,
        )
    except ValueError as error:
        if len(requests) == 1:
            skipped.add(requests[0].name, error)
            return {}
        return {
            name: codes
            for request in requests
            for name, codes in speak_batch(tts, [request], skipped).items()
        }
    done = {}
    for request, codes in zip(requests, spoken):
        if codes.shape[1] == 0:
            skipped.add(request.name, ValueError("the model ended at once"))
        else:
            done[request.name] = codes.cpu()
    return done


def speak_set(
    tts: Text2Speech, data: dict[str, str], output_dir: str, batch_size: int
) -> None:
    """Speak a whole set into `output_dir`: `wav/`, `wav.scp`, `codes.scp`.

    What is there already is not made again.
    """
    output = Path(output_dir)
    names = list(read_index(data["text"]))
    skipped = Skipped()
    with CodesWriter(output) as writer:
        there = {n for n in writer.done if (output / "wav" / f"{n}.wav").is_file()}
        todo = [name for name in names if name not in there]
        requests = read_requests(tts, data, todo, skipped)
        progress = tqdm(total=len(requests), desc=output.name, unit="utt")
        for batch in batches(requests, lambda r: r.size, batch_size):
            done = speak_batch(tts, batch, skipped)
            wavs = tts.codec.decode_batch(list(done.values())) if done else []
            for (name, codes), wav in zip(done.items(), wavs):
                write_wav(output / "wav" / f"{name}.wav", wav, tts.fs)
                if name not in writer.done:
                    writer[name] = codes
            progress.update(len(batch))
        progress.close()
    kept = [name for name in names if name not in skipped.reasons]
    lines = [f"{name} {output / 'wav' / name}.wav\n" for name in sorted(kept)]
    (output / "wav.scp").write_text("".join(lines), encoding="utf-8")
    skipped.finish(len(kept))
