"""Offline recognisers: speech in, words out. Their errors are counted in `wer`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from espnet_st.data.audio import load_audio
from espnet_st.slmtokbench.scorers.base import SAMPLE_RATE, Item, NotScored, load_local


def plain_words(text: str) -> str:
    """Upper-case words of letters, digits and apostrophes, one space between."""
    return " ".join(re.sub(r"[^A-Z0-9' ]", " ", text.upper()).split())


class _Recognizer:
    """Reads the file of an item and sets what it hears beside what was to be said."""

    def measure(self, item: Item) -> dict[str, str]:
        """Recognise one file.

        Returns:
            `hypothesis` (empty where nothing was heard) and `reference`, both
            normalized.

        Raises:
            ValueError: no reference text, or the file cannot be read.
        """
        reference = self.normalize(item.text or "")
        if not reference:
            raise ValueError(f"no words to compare with in {item.text!r}")
        hypothesis = self.recognize(load_audio(item.wav, SAMPLE_RATE).numpy())
        return {"reference": reference, "hypothesis": hypothesis}

    def normalize(self, text: str) -> str:
        """The form in which references and hypotheses are compared."""
        raise NotImplementedError

    def recognize(self, wav: np.ndarray) -> str:
        """Words of speech (N,) at 16 kHz, normalized."""
        raise NotImplementedError


class PocketsphinxRecognizer(_Recognizer):
    """CMU pocketsphinx with a corpus's bigram model, or its own model of English.

    Args:
        language_model: ARPA file, lower- or upper-case words as in `dictionary`; its
            own if None.
        dictionary: words with their ARPAbet phones; its own if None.

    Raises:
        NotScored: pocketsphinx or one of the two files is missing.
    """

    name = "pocketsphinx"

    def __init__(
        self, language_model: Path | None = None, dictionary: Path | None = None
    ):
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise NotScored(f"pocketsphinx is not installed ({error})") from error
        files = {"lm": language_model, "dict": dictionary}
        given = {name: str(path) for name, path in files.items() if path is not None}
        for path in given.values():
            if not Path(path).is_file():
                raise NotScored(
                    f"no {path}; stage 1 makes it, or set language_model: general"
                )
        self.decoder = Decoder(**given, cmn="batch", loglevel="FATAL")

    def normalize(self, text: str) -> str:
        """The form in which references and hypotheses are compared."""
        return plain_words(text)

    def recognize(self, wav: np.ndarray) -> str:
        """Recognise speech.

        Args:
            wav: (N,) float at 16 kHz.
        """
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


class WhisperRecognizer(_Recognizer):
    """Whisper through transformers, as in the paper (section 2.2).

    Args:
        model: a directory or a hub name whose weights are already on this machine.

    Raises:
        NotScored: transformers or the weights are missing.
    """

    name = "whisper"

    def __init__(self, model: str):
        self.processor, self.model = load_local(
            model, "WhisperProcessor", "WhisperForConditionalGeneration"
        )
        self.model.eval()

    def normalize(self, text: str) -> str:
        """Whisper's own normalization (numbers, spelling) on both sides."""
        return self.processor.tokenizer.normalize(text)

    def recognize(self, wav: np.ndarray) -> str:
        """Recognise speech.

        Args:
            wav: (N,) float at 16 kHz, at most 30 s are heard.
        """
        import torch

        features = self.processor(
            wav, sampling_rate=SAMPLE_RATE, return_tensors="pt"
        ).input_features
        with torch.no_grad():
            ids = self.model.generate(features)
        text = self.processor.batch_decode(ids, skip_special_tokens=True)[0]
        return self.normalize(text)


def build_recognizer(name: str, settings: dict[str, Any]):
    """Build a recogniser by its name in the configuration.

    Args:
        name: "pocketsphinx" or "whisper".
        settings: `language_model` and `dictionary` if given, and `whisper_model`.

    Raises:
        ValueError: an unknown name.
        NotScored: it cannot run here.
    """
    if name == "pocketsphinx":
        return PocketsphinxRecognizer(
            settings.get("language_model"), settings.get("dictionary")
        )
    if name == "whisper":
        return WhisperRecognizer(settings["whisper_model"])
    raise ValueError(f"Unknown recogniser {name!r}, expected pocketsphinx or whisper.")
