"""Phonemes of the official USLM release."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from espnet_st.checkpoints.official_symbols import WORD

if TYPE_CHECKING:
    from phonemizer.backend import EspeakBackend
    from phonemizer.separator import Separator


@cache
def _load_espeak() -> tuple[EspeakBackend, Separator]:
    """Load espeak-ng, once."""
    from phonemizer.backend import EspeakBackend
    from phonemizer.separator import Separator

    backend = EspeakBackend(
        "en-us", preserve_punctuation=True, language_switch="keep-flags"
    )
    return backend, Separator(word=WORD, syllable="-", phone="|")


def phonemes(text: str) -> list[str]:
    """Convert English text to phonemes and punctuation, with `_` between words.

    The phonemes are espeak-ng's of American English, without stress. A phoneme is a
    token, and so is each mark that is no letter. Source: 0nutation/USLM,
    `data/tokenizer.py`.
    """
    backend, separator = _load_espeak()
    line = backend.phonemize([text.strip()], separator=separator, strip=True)[0]
    words = [re.findall(r"\w+|[^\w\s|]", word) for word in line.split(WORD)]
    return [token for word in words for token in (WORD, *word)][1:]
