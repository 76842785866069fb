"""CMU pocketsphinx as a recogniser: it carries a model of English."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from espnet_st.slmtokbench.cache import file_stamps
from espnet_st.slmtokbench.scorers.base import (
    NotScored,
    Setting,
    import_package,
    register,
)
from espnet_st.slmtokbench.scorers.recognizer import Recognizer, plain_words


def _corpus_files(settings: Mapping[str, Any]) -> dict[str, Path]:
    """Find the corpus's language model and dictionary; {} for the package's own."""
    if settings.get("language_model", "corpus") != "corpus":
        return {}
    directory = Path(settings.get("corpus_lm", ""))
    return {"lm": directory / "bigram.lm", "dict": directory / "words.dict"}


@register
class PocketsphinxRecognizer(Recognizer):
    """Recognise with a corpus's bigram model, or with the package's own of English.

    Args:
        settings: `language_model`: "corpus" takes `bigram.lm` (ARPA) and `words.dict`
            (words with their ARPAbet phones) of the directory `corpus_lm`; "general"
            takes the package's own.

    Raises:
        NotScored: Pocketsphinx or one of the two files is missing.
    """

    name = "pocketsphinx"
    measures = "words ({language_model} language model)"
    settings = (Setting("language_model", "corpus", ("corpus", "general")),)

    def __init__(self, settings: Mapping[str, Any]):
        module = import_package("pocketsphinx", "pocketsphinx==5.1.1")
        files = _corpus_files(settings)
        for path in files.values():
            if not path.is_file():
                raise NotScored(
                    f"no {path}; stage 1 makes it, or set language_model: general"
                )
        paths = {name: str(path) for name, path in files.items()}
        self.decoder = module.Decoder(**paths, cmn="batch", loglevel="FATAL")

    @classmethod
    def depends_on(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the language model's name, and the state of the corpus's files."""
        files = file_stamps(_corpus_files(settings).values())
        return super().depends_on(settings) | {"files": files}

    def normalize(self, text: str) -> str:
        """Bring a text to upper-case words."""
        return plain_words(text)

    def recognize(self, wav: np.ndarray) -> str:
        """Recognise speech (N,) at 16 kHz."""
        pcm = (np.clip(wav, -1.0, 1.0) * 32767.0).astype(np.int16)
        # The front end adapts its noise estimate along a stream: start afresh, or the
        # words would depend on the utterances before.
        self.decoder.reinit_feat()
        self.decoder.start_utt()
        self.decoder.process_raw(pcm.tobytes(), full_utt=True)
        self.decoder.end_utt()
        hypothesis = self.decoder.hyp()
        words = hypothesis.hypstr.split() if hypothesis else []
        # Alternative pronunciations are written WORD(2) in the dictionary.
        return plain_words(" ".join(re.sub(r"\(\d+\)$", "", word) for word in words))
