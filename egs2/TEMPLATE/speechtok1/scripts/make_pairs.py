#!/usr/bin/env python3
"""Stage 7: which voice prompts, and which voice is converted to which.

Zero-shot: the prompt of a sentence is another utterance of the same speaker, with other
words, of a length nearest to 3 s. Conversion: the reference of an utterance is one of
another speaker with other words, speakers in turn; or one utterance of one speaker is
the source of all, with a reference of each other speaker (the paper's way, with the 108
speakers of VCTK). No chance is involved: the same directory gives the same pairs.
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


def references_of_one(
    source: str, text: dict[str, str], utt2spk: dict[str, str]
) -> dict[str, tuple[str, str]]:
    """Choose a reference of each other speaker for one source, other in its words.

    Args:
        source: An utterance, or a speaker, of whom it is the middle utterance.
        text: Utterance id to words.
        utt2spk: Utterance id to speaker.

    Returns:
        Source and reference of each pair, by a name of its own,
        `<source>-to-<speaker>`.

    Raises:
        ValueError: there is no such utterance or speaker.
    """
    if source not in text:
        own = [key for key in sorted(text) if utt2spk[key] == source]
        if not own:
            raise ValueError(f"no utterance or speaker {source!r} to convert from")
        source = own[len(own) // 2]
    chosen = {}
    for turn, speaker in enumerate(sorted(set(utt2spk.values()))):
        others = [k for k in text if utt2spk[k] == speaker and text[k] != text[source]]
        if speaker != utt2spk[source] and others:
            pair = f"{source}-to-{speaker}"
            chosen[pair] = (source, others[turn % len(others)])
    return chosen


def make_pairs(args: argparse.Namespace) -> None:
    """Write `zeroshot/` and `conversion/` into the data directory.

    Raises:
        ValueError: the directory's tables are at fault, or no pair can be made.
    """
    data_dir = args.data_dir
    tables = read_data_dir(data_dir)
    if "text" not in tables:
        raise ValueError(f"{data_dir}/text: no such file; pairs differ in their words")
    wavs, text, utt2spk = tables["wav.scp"], tables["text"], tables["utt2spk"]
    samples = read_table(data_dir / "utt2num_samples")
    seconds = {key: int(value) / args.sample_rate for key, value in samples.items()}
    keys = pick(sorted(text), args.max_utts)
    prompt = _with_itself(prompts(keys, text, utt2spk, seconds))
    if args.conversion_source:
        found = references_of_one(args.conversion_source, text, utt2spk)
        reference = {key: found[key] for key in pick(list(found), args.max_utts)}
    else:
        reference = _with_itself(references(keys, text, utt2spk))
    for kind, pairs, other, files in (
        (
            "zeroshot",
            prompt,
            "utt2prompt",
            {"prompt_wav.scp": wavs, "prompt_text": text},
        ),
        ("conversion", reference, "utt2ref", {"ref_wav.scp": wavs}),
    ):
        sources = {source for source, _ in pairs.values()}
        if kind == "zeroshot" or not args.conversion_source:
            for key in keys:
                if key not in sources:
                    logging.warning("%s: no partner for %s, left out", kind, key)
        logging.info("%s: %d pairs", kind, len(pairs))
        if not pairs:
            raise ValueError(
                f"{data_dir}: no pair for {kind}: it takes"
                " two sentences of a speaker, and two speakers"
            )
        output = data_dir / kind
        output.mkdir(exist_ok=True)
        write_table(output / other, {key: ref for key, (_, ref) in pairs.items()})
        write_table(output / "utt2src", {key: src for key, (src, _) in pairs.items()})
        for name, table in files.items():
            write_table(output / name, {k: table[ref] for k, (_, ref) in pairs.items()})
        for name in ("text", "utt2spk", "wav.scp"):
            table = tables[name]
            write_table(output / name, {k: table[src] for k, (src, _) in pairs.items()})


def _with_itself(partners: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Name each pair by its source."""
    return {key: (key, partner) for key, partner in partners.items()}


def main(cmd: list[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--max_utts", type=int, default=0, help="0: all of them")
    parser.add_argument("--sample_rate", type=int, default=16000, help="Hz")
    parser.add_argument(
        "--conversion_source",
        help="speaker or utterance, the source of all conversions; else all in turn",
    )
    parser.add_argument("data_dir", type=Path, help="e.g. dump/raw/test")
    return exit_code(make_pairs, parser.parse_args(cmd))


if __name__ == "__main__":
    sys.exit(main())
