"""What a benchmark of anybody's tokens is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from espnet_st.slmtokbench.config import BenchmarkConfig

QUICK: dict[str, Any] = {
    "max_utterances": 20,
    "quality": ("mel", "stoi"),
    "quality_utterances": 20,
    "downstream_steps": 300,
    "downstream_batch_size": 16,
    "downstream_lr": 8e-3,
    "downstream_decay": True,
    "downstream_hidden": 96,
    "downstream_stack": 2,
    "mi_utterances": 100,
    "tokenizer_utterances": 4,
}
"""Settings of a look at the tokens in minutes on a CPU; the figures are not those of
the paper's size."""


def quick_config() -> BenchmarkConfig:
    """Return the settings for a look in minutes."""
    return replace(BenchmarkConfig(), **QUICK)


@dataclass(frozen=True)
class TokenInputs:
    """Hold what is scored; only codes, or a model with audio, must be there.

    Attributes:
        codes: See `token_files.read_codes`; of the test set, or of the one set.
        text: Transcripts, `utterance words`; a path or a mapping, as all below.
        train_codes, train_text: Of a training set for the downstream recogniser.
        valid_codes, valid_text: Of a set for mutual information; the test set without.
        audio: `wav.scp` of the original speech.
        train_audio, valid_audio: The same of these sets, for a model to tokenize.
        resynthesized: `wav.scp` of speech made of all layers of the codes.
        embeddings: Vectors of each layer, `.npy` or `.npz`.
        phones: CTM of phones with times.
        utt2spk: Speakers.
        frame_rate: Frames per second; without it the audio's length tells.
        codebook_sizes: Of each layer, or one number; without it the embeddings or the
            codes tell.
        model: What an adapter loads.
        adapter: Its name, to force it.
        name: Of the tokens, in tables.
    """

    codes: Any = None
    text: Any = None
    train_codes: Any = None
    train_text: Any = None
    valid_codes: Any = None
    valid_text: Any = None
    audio: Any = None
    train_audio: Any = None
    valid_audio: Any = None
    resynthesized: Any = None
    embeddings: Any = None
    phones: Any = None
    utt2spk: Any = None
    frame_rate: float | None = None
    codebook_sizes: int | tuple[int, ...] | None = None
    model: str | Path | None = None
    adapter: str | None = None
    name: str = "tokens"

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if (self.codes is None) == (self.model is None):
            raise ValueError(
                "expected either codes (--codes), or a model that makes them of audio "
                "(--model with --audio)"
            )
        if self.model is not None and self.audio is None:
            raise ValueError(
                "a model needs audio to tokenize: give --audio (a wav.scp)"
            )
        if self.model is not None and (self.train_codes or self.valid_codes):
            raise ValueError(
                "with --model codes are made of audio: give --train-audio in place of "
                "--train-codes, and --valid-audio of --valid-codes"
            )
        if self.train_text is None and (self.train_codes or self.train_audio):
            raise ValueError("a training set needs its transcripts: give --train-text")
        if self.valid_text is None and (self.valid_codes or self.valid_audio):
            raise ValueError(
                "a validation set needs its transcripts: give --valid-text"
            )

    def described(self) -> dict[str, str]:
        """Name what was given, for the results."""
        return {
            f.name: "in memory" if isinstance(value, Mapping) else str(value)
            for f in fields(self)
            if (value := getattr(self, f.name)) is not None
        }
