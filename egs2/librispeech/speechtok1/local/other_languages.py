#!/usr/bin/env python3
"""Kaldi data directories of languages that the models never heard: test_de, test_zh.

The paper (section 5.4) shows speech of Multilingual LibriSpeech's German part and of
AISHELL-3, resynthesized. A part is taken evenly from the corpus's test set:

- MLS: `test/transcripts.txt` (`speaker_book_number<TAB>words`) and
  `test/audio/speaker/book/speaker_book_number.{flac,opus}`;
- AISHELL-3: `test/content.txt` (`SSB00050001.wav<TAB>character pinyin ...`) and
  `test/wav/SSB0005/SSB00050001.wav`.
"""

import argparse
import logging
import sys
from pathlib import Path

from data_dir import exit_code, spk2utt

from espnet_st.data.kaldi import write_table

Utterances = dict[str, tuple[str, str, Path]]
"""Utterance id to speaker, words and file."""


def read_lines(path: Path) -> list[tuple[str, str]]:
    """Read lines of a name, a tab or blank, and the rest.

    Raises:
        ValueError: there is no such file, or nothing in it.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing: does the corpus lie where db.sh says?")
    rows = [line.split(maxsplit=1) for line in path.read_text("utf-8").splitlines()]
    found = [(row[0], row[1].strip()) for row in rows if len(row) == 2]
    if not found:
        raise ValueError(f"{path} holds no utterance")
    return found


def read_mls(corpus: Path) -> Utterances:
    """Read the test set of a language of Multilingual LibriSpeech."""
    found = {}
    for key, words in read_lines(corpus / "test/transcripts.txt"):
        speaker, book, _ = key.split("_")
        folder = corpus / "test/audio" / speaker / book
        files = sorted(folder.glob(f"{key}.*"))
        found[key] = speaker, words, files[0] if files else folder / f"{key}.flac"
    return found


def read_aishell3(corpus: Path) -> Utterances:
    """Read the test set of AISHELL-3; of characters and pinyin, the characters."""
    found = {}
    for name, words in read_lines(corpus / "test/content.txt"):
        key, speaker = Path(name).stem, name[:7]
        characters = "".join(words.split()[::2])
        found[key] = speaker, characters, corpus / "test/wav" / speaker / name
    return found


READERS = {"de": read_mls, "zh": read_aishell3}


def prepare(args: argparse.Namespace) -> None:
    """Write the data directory of a language.

    Raises:
        ValueError: the corpus is not there, or files that it lists are missing.
    """
    every = READERS[args.language](args.corpus)
    keys = sorted(every)
    count = min(args.count, len(keys))
    chosen = {keys[n * len(keys) // count] for n in range(count)}
    utterances = {key: every[key] for key in sorted(chosen)}
    lacking = [path for _, _, path in utterances.values() if not path.is_file()]
    if lacking:
        raise ValueError(f"{len(lacking)} files are missing, the first is {lacking[0]}")
    folder = args.output_dir / f"test_{args.language}"
    folder.mkdir(parents=True, exist_ok=True)
    utt2spk = {key: speaker for key, (speaker, _, _) in utterances.items()}
    write_table(folder / "utt2spk", utt2spk)
    write_table(folder / "spk2utt", spk2utt(utt2spk))
    write_table(
        folder / "text", {key: words for key, (_, words, _) in utterances.items()}
    )
    write_table(
        folder / "wav.scp",
        {key: path.resolve() for key, (_, _, path) in utterances.items()},
    )
    logging.info("%s: %d of %d utterances", folder, count, len(keys))


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--language", choices=tuple(READERS), required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--count", type=int, default=20, help="utterances, at most")
    parser.add_argument("--output_dir", type=Path, required=True)
    return exit_code(prepare, parser.parse_args(cmd))


if __name__ == "__main__":
    sys.exit(main())
