#!/usr/bin/env python3
"""Stage 7: which voice prompts, and which voice is converted to which.

Zero-shot: the prompt of a sentence is another utterance of the same speaker, with other
words, of a length nearest to 3 s. Conversion: the reference of an utterance is one of
another speaker with other words, speakers in turn. No chance is involved: the same
directory gives the same pairs.
"""

import argparse
import logging
import sys
from pathlib import Path

from data_dir import exit_code, read_data_dir

from espnet_st.data.kaldi import read_table, write_table

PROMPT_SECONDS = 3.0  # paper, section 4.4


def pick(keys: list[str], max_utts: int) -> list[str]:
    """Choose at most `max_utts` of the keys, evenly spread; all of them for 0."""
    if not 0 < max_utts < len(keys):
        return keys
    return [keys[index * len(keys) // max_utts] for index in range(max_utts)]


def prompts(
    keys: list[str],
    text: dict[str, str],
    utt2spk: dict[str, str],
    seconds: dict[str, float],
) -> dict[str, str]:
    """Choose the prompt of each of `keys` from all utterances of `text`.

    An utterance whose speaker has no other sentence has none.
    """
    chosen = {}
    for key in keys:
        others = [
            other
            for other in text
            if utt2spk[other] == utt2spk[key] and text[other] != text[key]
        ]
        if others:
            chosen[key] = min(
                others, key=lambda k: (abs(seconds[k] - PROMPT_SECONDS), k)
            )
    return chosen


def references(
    keys: list[str], text: dict[str, str], utt2spk: dict[str, str]
) -> dict[str, str]:
    """Choose the reference of each of `keys`: another speaker, all in turn."""
    speakers = sorted(set(utt2spk.values()))
    chosen = {}
    for turn, key in enumerate(keys):
        start = speakers.index(utt2spk[key]) + 1 + turn % max(len(speakers) - 1, 1)
        for step in range(len(speakers)):
            speaker = speakers[(start + step) % len(speakers)]
            others = [
                other
                for other in text
                if utt2spk[other] == speaker and text[other] != text[key]
            ]
            if speaker != utt2spk[key] and others:
                chosen[key] = others[turn % len(others)]
                break
    return chosen


def make_pairs(data_dir: Path, max_utts: int, sample_rate: int) -> None:
    """Write `zeroshot/` and `conversion/` into the data directory.

    Args:
        data_dir: As stage 2 writes it.
        max_utts: At most so many utterances; 0 for all.
        sample_rate: Hz of its files.

    Raises:
        ValueError: the directory's tables are at fault, or no pair can be made.
    """
    tables = read_data_dir(data_dir)
    if "text" not in tables:
        raise ValueError(f"{data_dir}/text: no such file; pairs differ in their words")
    wavs, text, utt2spk = tables["wav.scp"], tables["text"], tables["utt2spk"]
    samples = read_table(data_dir / "utt2num_samples")
    seconds = {key: int(value) / sample_rate for key, value in samples.items()}
    keys = pick(sorted(text), max_utts)
    prompt = prompts(keys, text, utt2spk, seconds)
    reference = references(keys, text, utt2spk)
    for kind, pairs, other, files in (
        (
            "zeroshot",
            prompt,
            "utt2prompt",
            {"prompt_wav.scp": wavs, "prompt_text": text},
        ),
        ("conversion", reference, "utt2ref", {"ref_wav.scp": wavs}),
    ):
        left_out = [key for key in keys if key not in pairs]
        for key in left_out:
            logging.warning("%s: no partner for %s, left out", kind, key)
        logging.info("%s: %d pairs, %d left out", kind, len(pairs), len(left_out))
        if not pairs:
            raise ValueError(
                f"{data_dir}: no pair for {kind}: it takes"
                " two sentences of a speaker, and two speakers"
            )
        output = data_dir / kind
        output.mkdir(exist_ok=True)
        write_table(output / other, pairs)
        for name, table in files.items():
            write_table(output / name, {key: table[pairs[key]] for key in pairs})
        for name in ("text", "utt2spk", "wav.scp"):
            write_table(output / name, {key: tables[name][key] for key in pairs})


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--max_utts", type=int, default=0, help="0: all of them")
    parser.add_argument("--sample_rate", type=int, default=16000, help="Hz")
    parser.add_argument("data_dir", type=Path, help="e.g. dump/raw/test")
    args = parser.parse_args(cmd)
    return exit_code(make_pairs, args.data_dir, args.max_utts, args.sample_rate)


if __name__ == "__main__":
    sys.exit(main())
