import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_st.slmtokbench.scorers.base import Item, NotScored
from espnet_st.slmtokbench.scorers.pocketsphinx import PocketsphinxRecognizer
from espnet_st.slmtokbench.scorers.recognizer import plain_words
from espnet_st.slmtokbench.scorers.wer import corpus_wer
from espnet_st.slmtokbench.scorers.whisper import WhisperRecognizer

SHARED = Path(__file__).resolve().parents[4] / "shared"
"""A Whisper and real speech, where a checkout has them beside it."""
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


def test_silence_has_no_words_whatever_a_recogniser_invents(recognizer, tmp_path):
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.full(16000, 3e-5), 16000, subtype="FLOAT")

    class Inventive(PocketsphinxRecognizer):
        def __init__(self): ...

        def recognize(self, wav):
            return "THANK YOU"

    found = Inventive().measure(Item("u", path, text="a b"))
    assert found == {"reference": "A B", "hypothesis": ""}


def test_text_without_words_is_an_error(recognizer, speech):
    with pytest.raises(ValueError, match="no words"):
        recognizer.measure(Item("u", speech[0], text="..."))


def test_missing_model_is_not_scored(tmp_path):
    with pytest.raises(NotScored, match="stage 1 makes it"):
        PocketsphinxRecognizer({"corpus_lm": tmp_path})


def test_missing_weights_are_not_scored(tmp_path):
    with pytest.raises(NotScored, match="not on this machine"):
        WhisperRecognizer({"whisper_model": str(tmp_path / "whisper")})


@pytest.fixture(scope="module")
def whisper():
    model = SHARED / "models/whisper-tiny.en"
    if not model.is_dir():
        pytest.skip(f"no {model}")
    return WhisperRecognizer({"whisper_model": str(model)})


def test_whisper_hears_files_longer_than_30_s_whole(whisper):
    """67 s of a speaker of LibriSpeech, whole and in parts of at most 30 s."""
    folder = SHARED / "corpora/LibriSpeech/test-other/1688/142285"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    lines = (folder / "1688-142285.trans.txt").read_text().splitlines()
    texts = dict(line.split(maxsplit=1) for line in lines)
    wavs = {
        p.stem: soundfile.read(p, dtype="float32")[0] for p in folder.glob("*.flac")
    }
    keys = sorted(wavs)
    assert sum(map(len, wavs.values())) > 60 * 16000

    def wer(groups):
        words = {g[0]: whisper.normalize(" ".join(texts[k] for k in g)) for g in groups}
        sounds = {g[0]: np.concatenate([wavs[key] for key in g]) for g in groups}
        return corpus_wer(words, {k: whisper.recognize(w) for k, w in sounds.items()})

    parts: list[list[str]] = [[]]
    for key in keys:
        if sum(len(wavs[k]) for k in [*parts[-1], key]) > 30 * 16000:
            parts.append([])
        parts[-1].append(key)
    whole, cut = wer([keys]), wer(parts)
    assert whole["words"] == cut["words"] > 150
    assert cut["wer"] < 15
    assert whole["wer"] == pytest.approx(cut["wer"], abs=3)


def test_plain_words():
    assert plain_words("Don't stop,  now!") == "DON'T STOP NOW"
