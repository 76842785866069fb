"""Phonemes of the official USLM release."""

from __future__ import annotations

import re
from functools import cache

from espnet_st.checkpoints.official_symbols import WORD


@cache
def _espeak():
    from phonemizer.backend import EspeakBackend
    from phonemizer.separator import Separator

    backend = EspeakBackend(
        "en-us", preserve_punctuation=True, language_switch="keep-flags"
    )
    return backend, Separator(word=WORD, syllable="-", phone="|")


def phonemes(text: str) -> list[str]:
    """Phonemes and punctuation of English text, words apart by `_`.

    espeak-ng's American English without stress; a phoneme is a token, and so is each
    mark that is no letter. Source: 0nutation/USLM, `data/tokenizer.py`.
    """
    backend, separator = _espeak()
    said = backend.phonemize([text.strip()], separator=separator, strip=True)[0]
    words = [re.findall(r"\w+|[^\w\s|]", word) for word in said.split(WORD)]
    return [token for word in words for token in (WORD, *word)][1:]
