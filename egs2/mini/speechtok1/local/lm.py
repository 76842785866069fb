"""What the offline recogniser needs: an ARPA bigram model and a dictionary.

Both are written in upper case, as the transcripts are. The recogniser itself is not
here; anything that reads ARPA files and CMU dictionaries can use them.
"""

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

BEGIN, END = "<s>", "</s>"


def write_bigram(sentences: Iterable[str], path: Path, discount: float = 0.5) -> None:
    """Estimate a bigram model with absolute discounting and write it as ARPA.

    Args:
        sentences: rows of words.
        path: file to write.
        discount: taken from every bigram count, (0, 1), and given to the unigrams.
    """
    unigrams: Counter[str] = Counter()
    bigrams: Counter[tuple[str, str]] = Counter()
    for sentence in sentences:
        words = [BEGIN, *sentence.split(), END]
        unigrams.update(words[1:])
        bigrams.update(zip(words, words[1:], strict=False))
    total = sum(unigrams.values())
    history: Counter[str] = Counter()
    for (first, _), count in bigrams.items():
        history[first] += count
    probability = {word: count / total for word, count in unigrams.items()}
    followers: dict[str, list[str]] = {word: [] for word in history}
    for first, second in sorted(bigrams):
        followers[first].append(second)

    lines = ["\\data\\", f"ngram 1={len(unigrams) + 1}", f"ngram 2={len(bigrams)}"]
    lines += ["", "\\1-grams:"]
    for word in sorted({BEGIN, *unigrams}):
        value = math.log10(probability[word]) if word != BEGIN else -99.0
        if word == END:
            lines.append(f"{value:.4f}\t{word}")
            continue
        seen = len(followers[word]) * discount / history[word]
        left = 1.0 - sum(probability[second] for second in followers[word])
        weight = math.log10(seen / left) if left > 1e-9 else 0.0
        lines.append(f"{value:.4f}\t{word}\t{weight:.4f}")
    lines += ["", "\\2-grams:"]
    for first, second in sorted(bigrams):
        value = math.log10((bigrams[first, second] - discount) / history[first])
        lines.append(f"{value:.4f}\t{first} {second}")
    lines += ["", "\\end\\", ""]
    path.write_text("\n".join(lines))


def read_dictionary(path: Path) -> dict[str, list[list[str]]]:
    """Read a CMU dictionary: upper-case word to its pronunciations."""
    entries: dict[str, list[list[str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        head, *phones = line.split()
        entries.setdefault(head.split("(")[0].upper(), []).append(phones)
    return entries


def write_dictionary(
    words: Iterable[str], entries: dict[str, list[list[str]]], path: Path
) -> None:
    """Write the words' pronunciations, variants as `WORD(2)`.

    Raises:
        ValueError: naming the words that the dictionary lacks.
    """
    missing = sorted(word for word in words if word not in entries)
    if missing:
        raise ValueError(f"words not in the pronunciation dictionary: {missing}")
    lines = []
    for word in sorted(words):
        for i, phones in enumerate(entries[word]):
            lines.append(f"{word}{f'({i + 1})' if i else ''} {' '.join(phones)}")
    path.write_text("\n".join(lines) + "\n")
