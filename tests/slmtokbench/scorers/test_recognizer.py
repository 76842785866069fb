import subprocess

import numpy as np
import pytest
import soundfile

from espnet_st.slmtokbench.scorers.base import Item, NotScored
from espnet_st.slmtokbench.scorers.pocketsphinx import PocketsphinxRecognizer
from espnet_st.slmtokbench.scorers.recognizer import plain_words
from espnet_st.slmtokbench.scorers.whisper import WhisperRecognizer

SENTENCES = ("open the red door", "close the green box", "wash the red box")


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    """A recogniser whose bigrams are those of the three sentences."""
    pytest.importorskip("pocketsphinx")
    folder = tmp_path_factory.mktemp("lm")
    phones = {
        "open": "OW P AH N",
        "the": "DH AH",
        "red": "R EH D",
        "door": "D AO R",
        "close": "K L OW Z",
        "green": "G R IY N",
        "box": "B AA K S",
        "wash": "W AA SH",
    }
    (folder / "words.dict").write_text("".join(f"{w} {p}\n" for w, p in phones.items()))
    unigrams = ["<s>", "</s>", *phones]
    pairs = {
        pair
        for sentence in SENTENCES
        for words in [["<s>", *sentence.split(), "</s>"]]
        for pair in zip(words, words[1:])
    }
    lines = ["\\data\\", f"ngram 1={len(unigrams)}", f"ngram 2={len(pairs)}", ""]
    lines += ["\\1-grams:", *(f"-1.0 {word} -1.0" for word in unigrams), ""]
    lines += ["\\2-grams:", *(f"-0.4 {a} {b}" for a, b in sorted(pairs)), ""]
    (folder / "bigram.lm").write_text("\n".join([*lines, "\\end\\", ""]))
    return PocketsphinxRecognizer({"corpus_lm": folder})


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """The sentences spoken by flite, 16 kHz."""
    folder = tmp_path_factory.mktemp("speech")
    paths = []
    for index, sentence in enumerate(SENTENCES):
        path = folder / f"{index}.wav"
        subprocess.run(
            ["flite", "-voice", "slt", "-t", sentence, str(path)], check=True
        )
        paths.append(path)
    return paths


def test_recognizes_what_was_said(recognizer, speech):
    for path, sentence in zip(speech, SENTENCES):
        found = recognizer.measure(Item("u", path, text=sentence + "."))
        assert found == {"reference": sentence.upper(), "hypothesis": sentence.upper()}


def test_knows_english_without_a_model_of_the_corpus(tmp_path):
    pytest.importorskip("pocketsphinx")
    words, path = "the history of the united states", tmp_path / "a.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", words, str(path)], check=True)
    recognizer = PocketsphinxRecognizer({"language_model": "general"})
    found = recognizer.measure(Item("u", path, text=words))
    assert found["hypothesis"] == words.upper()


def test_does_not_remember_what_it_found_before(recognizer, speech):
    def confidence(path):
        recognizer.recognize(soundfile.read(path, dtype="float32")[0])
        return recognizer.decoder.hyp().score

    alone = confidence(speech[0])
    recognizer.recognize(np.random.default_rng(0).normal(0, 0.3, 32000))
    confidence(speech[1])
    assert confidence(speech[0]) == alone


def test_hears_nothing_in_silence(recognizer):
    assert recognizer.recognize(np.zeros(16000, dtype=np.float32)) == ""


def test_text_without_words_is_an_error(recognizer, speech):
    with pytest.raises(ValueError, match="no words"):
        recognizer.measure(Item("u", speech[0], text="..."))


def test_missing_model_is_not_scored(tmp_path):
    with pytest.raises(NotScored, match="stage 1 makes it"):
        PocketsphinxRecognizer({"corpus_lm": tmp_path})


def test_missing_weights_are_not_scored(tmp_path):
    with pytest.raises(NotScored, match="not on this machine"):
        WhisperRecognizer({"whisper_model": str(tmp_path / "whisper")})


def test_plain_words():
    assert plain_words("Don't stop,  now!") == "DON'T STOP NOW"
