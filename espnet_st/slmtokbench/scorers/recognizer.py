"""What recognisers share: speech in, words out. Their errors are counted in `wer`."""

from __future__ import annotations

import re
from abc import abstractmethod

import numpy as np

from espnet_st.slmtokbench.scorers.base import RECOGNIZER, Item, Scorer, is_silent


def plain_words(text: str) -> str:
    """Reduce a text to upper-case words of letters, digits and apostrophes."""
    return " ".join(re.sub(r"[^A-Z0-9' ]", " ", text.upper()).split())


class Recognizer(Scorer):
    """Set the recognised words of an item beside those that were to be said."""

    kind = RECOGNIZER
    reads_text = True

    def measure(self, item: Item) -> dict[str, str]:
        """Recognise one file. Silence has no words, whatever a recogniser invents.

        Returns:
            `hypothesis` (empty where nothing was recognised) and `reference`, both
            normalized.

        Raises:
            ValueError: No reference text, or the file cannot be read.
        """
        reference = self.normalize(item.text or "")
        if not reference:
            raise ValueError(f"no words to compare with in {item.text!r}")
        wav = self.read(item.wav)
        hypothesis = "" if is_silent(wav) else self.recognize(wav)
        return {"reference": reference, "hypothesis": hypothesis}

    @abstractmethod
    def normalize(self, text: str) -> str:
        """Bring a text to the form in which references and hypotheses are compared."""

    @abstractmethod
    def recognize(self, wav: np.ndarray) -> str:
        """Recognise speech (N,) at `sample_rate`; the words are normalized."""
