#!/usr/bin/env python3
"""Kaldi data directories of LibriSpeech: data/{train,dev,test}.

The corpus is laid out as `part/speaker/chapter/speaker-chapter-number.flac`, with the
words of a chapter in `speaker-chapter.trans.txt`. Where a set has no such file at all
(an excerpt), it gets no `text`: enough for the codec, not for what needs words.
"""

import argparse
import logging
import sys
from pathlib import Path

from data_dir import exit_code, spk2utt

from espnet_st.data.kaldi import write_table


def find_audio(corpus: Path, parts: list[str]) -> dict[str, Path]:
    """Find the files of some parts by utterance.

    Raises:
        ValueError: a part is not there or has no audio.
    """
    found: dict[str, Path] = {}
    for part in parts:
        here = {path.stem: path for path in sorted((corpus / part).rglob("*.flac"))}
        if not here:
            raise ValueError(
                f"no .flac files in {corpus / part}: set LIBRISPEECH in db.sh to the"
                " directory that holds the parts, or to 'downloads' to fetch them"
            )
        found |= here
    return found


def read_words(audio: dict[str, Path]) -> dict[str, str]:
    """Read the words of utterances; none if no chapter has a transcript.

    Raises:
        ValueError: some utterances have words and others not.
    """
    words: dict[str, str] = {}
    for chapter in sorted({path.parent for path in audio.values()}):
        for transcript in chapter.glob("*.trans.txt"):
            for line in transcript.read_text(encoding="utf-8").splitlines():
                key, _, text = line.partition(" ")
                words[key] = text.strip()
    lacking = [key for key in audio if not words.get(key)]
    if words and lacking:
        raise ValueError(
            f"{len(lacking)} of {len(audio)} utterances have no transcript, the first"
            f" is {lacking[0]} ({audio[lacking[0]]})"
        )
    return {key: words[key] for key in audio} if words else {}


def speaker_of(utterance: str) -> str:
    """Return the reader of `speaker-chapter-number`."""
    return utterance.split("-")[0]


def hold_out(
    audio: dict[str, Path], count: int
) -> tuple[dict[str, Path], dict[str, Path]]:
    """Split off the utterances of some speakers, evenly spread over all.

    Returns:
        The utterances of the other speakers, and theirs.

    Raises:
        ValueError: there are no speakers left to train with.
    """
    speakers = sorted({speaker_of(key) for key in audio})
    if not 0 < count < len(speakers):
        raise ValueError(
            f"cannot hold out {count} of {len(speakers)} speakers: set"
            " --valid_speakers to less, or to 0 and name parts with --valid"
        )
    chosen = {speakers[index * len(speakers) // count] for index in range(count)}
    rest = {key: path for key, path in audio.items() if speaker_of(key) not in chosen}
    return rest, {key: path for key, path in audio.items() if key not in rest}


def write_data_dir(directory: Path, audio: dict[str, Path]) -> None:
    """Write `wav.scp`, `utt2spk`, `spk2utt` and, where there are words, `text`."""
    directory.mkdir(parents=True, exist_ok=True)
    utt2spk = {key: speaker_of(key) for key in audio}
    words = read_words(audio)
    write_table(directory / "utt2spk", utt2spk)
    write_table(directory / "spk2utt", spk2utt(utt2spk))
    if words:
        write_table(directory / "text", words)
    write_table(
        directory / "wav.scp", {key: path.resolve() for key, path in audio.items()}
    )
    logging.info(
        "%s: %d utterances of %d speakers%s",
        directory,
        len(audio),
        len(set(utt2spk.values())),
        "" if words else ", no transcripts",
    )


def prepare(args: argparse.Namespace) -> None:
    """Write all sets.

    Raises:
        ValueError: what `find_audio`, `hold_out` and `read_words` refuse.
    """
    train = find_audio(args.corpus, args.train.split(","))
    if args.valid_speakers:
        train, dev = hold_out(train, args.valid_speakers)
    else:
        dev = find_audio(args.corpus, args.valid.split(","))
    test = find_audio(args.corpus, args.test.split(","))
    for name, audio in (("train", train), ("dev", dev), ("test", test)):
        write_data_dir(args.output_dir / name, audio)


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True, help="LibriSpeech")
    parser.add_argument("--output_dir", type=Path, required=True)
    for name in ("train", "valid", "test"):
        parser.add_argument(f"--{name}", required=True, help="parts, joined by commas")
    parser.add_argument(
        "--valid_speakers", type=int, default=0, help="of train, instead of --valid"
    )
    return exit_code(prepare, parser.parse_args(cmd))


if __name__ == "__main__":
    sys.exit(main())
