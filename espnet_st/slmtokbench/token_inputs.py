"""From what a user gives to checked sets: `prepare`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from espnet_st.data.audio import audio_size
from espnet_st.data.kaldi import TimedPhone, read_ctm, read_table
from espnet_st.slmtokbench.adapter_runs import adapter_stamp, tokenize_audio
from espnet_st.slmtokbench.adapters.base import Adapter
from espnet_st.slmtokbench.adapters.registry import load_adapter
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.token_files import read_codes, read_embeddings
from espnet_st.slmtokbench.token_options import TokenInputs
from espnet_st.slmtokbench.token_sets import (
    TokenSet,
    check_layers,
    infer_rate,
    infer_sizes,
    of_other_length,
    out_of_range,
    split,
)


@dataclass
class Tokens:
    """Hold checked tokens.

    Attributes:
        name: In tables.
        scored: All utterances that the figures of codes are computed of: the test set,
            or the one set.
        train, valid, test: For text alignment; None without texts.
        own_train: Whether a training set was given, and not split off.
        sizes: Entries of each layer's codebook.
        frame_rate: Frames per second.
        embeddings: Vectors of each layer, or None.
        audio, resynthesized: Utterance id to audio; empty without.
        phones, speakers: None without.
        adapter: None without a model.
        stamp: Of the adapter.
        notes: What a reader of the results must know.
        left_out: "set/utterance" to why it was not scored.
        unaligned: Why there is no text alignment, "" if there is.
    """

    name: str
    scored: TokenSet
    sizes: tuple[int, ...]
    frame_rate: float
    train: TokenSet | None = None
    valid: TokenSet | None = None
    test: TokenSet | None = None
    own_train: bool = False
    embeddings: list[np.ndarray] | None = None
    audio: dict[str, str] = field(default_factory=dict)
    resynthesized: dict[str, str] = field(default_factory=dict)
    phones: Mapping[str, list[TimedPhone]] | None = None
    speakers: dict[str, str] | None = None
    adapter: Adapter | None = None
    stamp: str = ""
    notes: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    unaligned: str = ""

    @property
    def n_q(self) -> int:
        """Layers of codes."""
        return len(self.sizes)


def prepare(
    given: TokenInputs, config: BenchmarkConfig, output: Path, device: str
) -> Tokens:
    """Read, check and split what was given.

    Raises:
        ValueError: If there is nothing to score, or an input cannot be used at all.
    """
    adapter = None
    if given.model is not None:
        adapter = load_adapter(given.model, given.adapter, device)
    stamp = adapter_stamp(adapter) if adapter is not None else ""
    audio = _table(given.audio)
    sets = _read_sets(given, adapter, output / "work" / f"codes_{stamp}")
    embeddings = _embeddings(given, adapter)
    notes: list[str] = []
    sizes = _sizes(given, adapter, embeddings, sets, notes)
    for one in sets.values():
        one.drop(out_of_range(one.codes, sizes))
    rate = _frame_rate(given, adapter, sets["test"], audio, notes)
    lengths = _seconds(audio, sets["test"]) if adapter is None else {}
    sets["test"].drop(of_other_length(sets["test"].codes, lengths, rate))
    for name, one in sets.items():
        one.match()
        if not one.codes:
            reason = next(iter(one.left_out.values()), "there is none")
            raise ValueError(f"no utterance of the {name} set can be scored: {reason}")
    tokens = Tokens(
        name=given.name,
        scored=sets["test"],
        sizes=sizes,
        frame_rate=rate,
        own_train="train" in sets,
        embeddings=embeddings,
        audio=audio,
        resynthesized=_table(given.resynthesized),
        phones=_phones(given.phones),
        speakers=_table(given.utt2spk) or None,
        adapter=adapter,
        stamp=stamp,
        notes=notes,
    )
    _choose_sets(tokens, given, sets, config.seed)
    tokens.left_out = {
        f"{name}/{key}": reason
        for name, one in sets.items()
        for key, reason in sorted(one.left_out.items())
    }
    return tokens


def _table(value: Any) -> dict[str, str]:
    """Read a table of Kaldi, or take a mapping; empty without one."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {key: str(one) for key, one in value.items()}
    return read_table(value, allow_empty=True)


def _phones(value: Any) -> Mapping[str, list[TimedPhone]] | None:
    if value is None or isinstance(value, Mapping):
        return value
    return read_ctm(value)


def _read_sets(
    given: TokenInputs, adapter: Adapter | None, work: Path
) -> dict[str, TokenSet]:
    """Read or make the codes of each set, and read its texts."""
    sets = {}
    for name in ("test", "train", "valid"):
        prefix = "" if name == "test" else f"{name}_"
        codes, audio = (
            getattr(given, f"{prefix}codes"),
            getattr(given, f"{prefix}audio"),
        )
        if adapter is not None and audio is not None:
            found, failed = tokenize_audio(adapter, _table(audio), work / name)
        elif codes is not None:
            found, failed = read_codes(codes)
        else:
            continue
        texts = _table(getattr(given, f"{prefix}text"))
        sets[name] = TokenSet(found, texts)
        sets[name].drop(failed)
    return sets


def _embeddings(given: TokenInputs, adapter: Adapter | None) -> list[np.ndarray] | None:
    if given.embeddings is None:
        return adapter.codebooks if adapter is not None else None
    if isinstance(given.embeddings, (str, Path)):
        return read_embeddings(given.embeddings)
    return [np.asarray(book, dtype=np.float32) for book in given.embeddings]


def _sizes(
    given: TokenInputs,
    adapter: Adapter | None,
    embeddings: list[np.ndarray] | None,
    sets: Mapping[str, TokenSet],
    notes: list[str],
) -> tuple[int, ...]:
    """Find the codebooks' sizes, and that all sets have as many layers."""
    n_q = len(next(iter(sets["test"].codes.values())))
    chosen = given.codebook_sizes
    sizes: tuple[int, ...]
    if chosen is not None:
        sizes = (chosen,) * n_q if isinstance(chosen, int) else tuple(chosen)
        if len(sizes) == 1:
            sizes *= n_q
    elif adapter is not None:
        sizes = adapter.codebook_sizes
    elif embeddings is not None:
        sizes = tuple(len(book) for book in embeddings)
    else:
        check_layers(sets, n_q)
        sizes = infer_sizes(sets.values())
        notes.append(
            f"Codebook sizes {', '.join(map(str, sizes))} are the largest code of each "
            "layer and one more: give --codebook-sizes if there are larger ones."
        )
    check_layers(sets, len(sizes))
    if embeddings is not None and [len(book) for book in embeddings] != list(sizes):
        raise ValueError(
            f"embeddings have {[len(book) for book in embeddings]} vectors; expected "
            f"{list(sizes)}, the sizes of the codebooks"
        )
    return sizes


def _seconds(audio: Mapping[str, str], one: TokenSet) -> dict[str, float]:
    """Measure audio; what cannot be read is left out of the set."""
    seconds, failed = {}, {}
    for key in sorted(set(audio) & set(one.codes)):
        try:
            samples, rate = audio_size(audio[key])
            seconds[key] = samples / rate
        except ValueError as error:
            failed[key] = str(error)
    one.drop(failed)
    return seconds


def _frame_rate(
    given: TokenInputs,
    adapter: Adapter | None,
    test: TokenSet,
    audio: Mapping[str, str],
    notes: list[str],
) -> float:
    if given.frame_rate is not None:
        if not given.frame_rate > 0:
            raise ValueError(f"--frame-rate {given.frame_rate}; expected more than 0")
        return float(given.frame_rate)
    if adapter is not None:
        return adapter.frame_rate
    if not audio:
        raise ValueError(
            "the frame rate of the codes is not known: give --frame-rate, or --audio "
            "whose length tells it"
        )
    rate = infer_rate(test.codes, _seconds(audio, test))
    notes.append(f"The frame rate, {rate:g} Hz, is that of the audio's lengths.")
    return rate


def _choose_sets(
    tokens: Tokens, given: TokenInputs, sets: dict[str, TokenSet], seed: int
) -> None:
    """Set what text alignment is trained and measured on, or why there is none."""
    if not sets["test"].texts:
        tokens.unaligned = (
            "needs --text" if given.text is None else "no utterance has codes and text"
        )
        return
    if "train" in sets:
        tokens.train, tokens.test = sets["train"], sets["test"]
        if not tokens.train.texts:
            tokens.unaligned = "no utterance of the training set has codes and text"
            return
        both = sorted(set(tokens.train.texts) & set(tokens.test.texts))
        if both:
            tokens.notes.append(
                f"{len(both)} utterances, e.g. {both[0]}, have ids of both the test "
                "and the training set: if they are the same speech, the figures are of "
                "training."
            )
    else:
        try:
            tokens.train, tokens.test, note = split(sets["test"], tokens.speakers, seed)
        except ValueError as error:
            tokens.unaligned = str(error)
            return
        tokens.notes.append(note)
    tokens.valid = sets.get("valid", tokens.test)
    if "valid" not in sets and "train" in sets:
        tokens.notes.append(
            "Mutual information is measured on the test set: give --valid-codes and "
            "--valid-text for one of its own, as the paper has it."
        )
