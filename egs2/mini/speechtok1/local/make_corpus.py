"""Make the corpus `mini`: sentences, speech, phone times and data directories.

Voices are in `voices.py`, sentences in `grammar.py`, speech in `synthesize.py`,
the recogniser's material in `lm.py`. Run by `data.sh`.
"""

import argparse
import hashlib
import json
import logging
import multiprocessing
import os
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import grammar
import lm
import numpy as np
import pocketsphinx
import soundfile
from phones import SILENCE
from synthesize import SAMPLE_RATE, speak
from tqdm import tqdm
from voices import SMOKE_TRAINING, SMOKE_UNSEEN, TRAINING, UNSEEN, Voice

VERSION = 1
CHUNK = 60
# Sentences drawn for the recogniser's bigram model beside the training set's; those
# of dev and test are left out of it.
LM_SENTENCES = 6000


@dataclass(frozen=True)
class Job:
    """Describe utterances of one voice, made by one process and resumed as a whole."""

    voice: Voice
    utterances: tuple[tuple[str, str], ...]
    folder: Path

    def key(self) -> str:
        """Hash everything the result depends on."""
        content = [VERSION, asdict(self.voice), self.utterances]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def record(self) -> Path:
        """Return the file that records the result; it is written after the wavs."""
        return self.folder / f"{self.utterances[0][0]}.json"


def plan(seed: int, smoke: bool) -> dict[str, list[tuple[Voice, str, str]]]:
    """Plan who says what: per set, voice, utterance id and sentence.

    No sentence occurs twice in the corpus. Voices of `test` are not in `train`;
    those of `dev` are.
    """
    training = SMOKE_TRAINING if smoke else TRAINING
    unseen = SMOKE_UNSEEN if smoke else UNSEEN
    each = {"train": 14, "dev": 3, "test": 4} if smoke else {}
    each = each or {"train": 120, "dev": 4, "test": 25}
    rng, taken = random.Random(seed), set()
    rows: dict[str, list[tuple[Voice, str, str]]] = {}
    for name, count in each.items():
        voices = unseen if name == "test" else training
        texts = grammar.sentences(count * len(voices), rng, taken)
        rows[name] = [
            (voice, f"{voice.name}-{name}-{i:04d}", texts[i * len(voices) + j])
            for j, voice in enumerate(voices)
            for i in range(count)
        ]
    return rows


def synthesize(job: Job) -> int:
    """Make one job's wavs and its record, unless they are there; returns its size."""
    if not is_done(job):
        job.folder.mkdir(parents=True, exist_ok=True)
        spoken = speak(job.voice, [text for _, text in job.utterances])
        result = {}
        for (utt, _), (wav, segments) in zip(job.utterances, spoken, strict=True):
            path = job.folder / f"{utt}.wav"
            soundfile.write(path, np.float32(wav), SAMPLE_RATE, subtype="PCM_16")
            result[utt] = segments
        partial = job.record().with_suffix(".partial")
        partial.write_text(json.dumps({"key": job.key(), "segments": result}))
        os.replace(partial, job.record())
    return len(job.utterances)


def is_done(job: Job) -> bool:
    """Check whether the job's record matches it and every wav is there."""
    if not job.record().is_file():
        return False
    if json.loads(job.record().read_text())["key"] != job.key():
        return False
    return all((job.folder / f"{utt}.wav").is_file() for utt, _ in job.utterances)


def make_jobs(rows: Iterable[tuple[Voice, str, str]], folder: Path) -> list[Job]:
    """Cut the plan into jobs of one voice and at most `CHUNK` utterances."""
    by_voice: dict[Voice, list[tuple[str, str]]] = {}
    for voice, utt, text in rows:
        by_voice.setdefault(voice, []).append((utt, text))
    return [
        Job(voice, tuple(utterances[i : i + CHUNK]), folder / voice.name)
        for voice, utterances in by_voice.items()
        for i in range(0, len(utterances), CHUNK)
    ]


def run_jobs(jobs: list[Job], nj: int) -> None:
    """Run what is not done, each job in a fresh process (espeak-ng keeps a state)."""
    todo = [job for job in jobs if not is_done(job)]
    logging.info("%d of %d parts are there already", len(jobs) - len(todo), len(jobs))
    total = sum(len(job.utterances) for job in todo)
    context = multiprocessing.get_context("fork")
    with (
        tqdm(total=total, desc="speech", unit="utt", disable=not todo) as bar,
        context.Pool(nj, maxtasksperchild=1) as pool,
    ):
        for count in pool.imap_unordered(synthesize, todo, chunksize=1):
            bar.update(count)


def write_set(
    rows: list[tuple[Voice, str, str]], folder: Path, segments: dict[str, list]
) -> None:
    """Write one data directory, keys sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = sorted(rows, key=lambda row: row[1])
    wavs = folder.parent / "wav"
    speakers: dict[str, list[str]] = {}
    files = {
        name: [] for name in ("wav.scp", "text", "utt2spk", "phones", "phones.ctm")
    }
    for voice, utt, text in rows:
        speakers.setdefault(voice.name, []).append(utt)
        spoken = [phone for _, _, phone in segments[utt] if phone != SILENCE]
        files["wav.scp"].append(f"{utt} {wavs / voice.name / utt}.wav")
        files["text"].append(f"{utt} {text}")
        files["utt2spk"].append(f"{utt} {voice.name}")
        files["phones"].append(f"{utt} {' '.join(spoken)}")
        files["phones.ctm"] += [
            f"{utt} 1 {start:.4f} {end - start:.4f} {phone}"
            for start, end, phone in segments[utt]
        ]
    files["spk2utt"] = [f"{spk} {' '.join(utts)}" for spk, utts in speakers.items()]
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n")


def write_recogniser(train: list[str], taken: set[str], seed: int, out: Path) -> None:
    """Write `lm/`: sentences without dev's and test's, bigram model, dictionary."""
    out.mkdir(parents=True, exist_ok=True)
    more = grammar.sentences(LM_SENTENCES, random.Random(seed + 1), set(taken))
    sentences = [*train, *more]
    (out / "sentences.txt").write_text("\n".join(sentences) + "\n")
    lm.write_bigram(sentences, out / "bigram.lm")
    model = Path(pocketsphinx.get_model_path()) / "en-us"
    entries = lm.read_dictionary(model / "cmudict-en-us.dict")
    lm.write_dictionary(grammar.vocabulary(), entries, out / "words.dict")


def main() -> None:
    """Run the script with the options of `data.sh`."""
    parser = argparse.ArgumentParser(description="Make the corpus mini.")
    parser.add_argument("--output_dir", type=Path, default=Path("data"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nj", type=int, default=2)
    parser.add_argument("--smoke", choices=("true", "false"), default="false")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    rows = plan(args.seed, args.smoke == "true")
    everything = [row for set_rows in rows.values() for row in set_rows]
    jobs = make_jobs(everything, args.output_dir / "wav")
    run_jobs(jobs, args.nj)
    segments: dict[str, list] = {}
    for job in jobs:
        segments |= json.loads(job.record().read_text())["segments"]
    for name, set_rows in rows.items():
        write_set(set_rows, args.output_dir / name, segments)
        seconds = sum(segments[utt][-1][1] for _, utt, _ in set_rows)
        voices = len({voice for voice, _, _ in set_rows})
        summary = (name, len(set_rows), voices, seconds / 60)
        logging.info("%s: %d utterances, %d voices, %.1f min", *summary)
    train = [text for _, _, text in rows["train"]]
    taken = {text for _, _, text in everything}
    write_recogniser(train, taken, args.seed, args.output_dir / "lm")


if __name__ == "__main__":
    main()
