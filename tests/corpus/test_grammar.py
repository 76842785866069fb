"""Sentences: in the recogniser's dictionary, without duplicates, set by the seed."""

import random
from pathlib import Path

import grammar
import lm
import pocketsphinx
import pytest


def dictionary():
    model = Path(pocketsphinx.get_model_path()) / "en-us"
    return lm.read_dictionary(model / "cmudict-en-us.dict")


def test_every_word_is_in_the_recognisers_dictionary():
    vocabulary = grammar.vocabulary()
    assert 300 <= len(vocabulary) <= 500
    assert set(vocabulary) <= dictionary().keys()


def test_the_vocabulary_has_all_phones():
    from phones import ARPABET

    entries = dictionary()
    spoken = {p for word in grammar.vocabulary() for row in entries[word] for p in row}
    assert spoken == ARPABET


def test_sentences_are_new_short_and_set_by_the_seed():
    taken = {"NOT A SENTENCE OF IT"}
    first = grammar.sentences(500, random.Random(1), taken)
    again = grammar.sentences(500, random.Random(1), {"NOT A SENTENCE OF IT"})
    assert first == again
    assert len(set(first)) == 500 and len(taken) == 501
    assert all(5 <= len(text.split()) <= 9 and text.isupper() for text in first)
    assert {word for text in first for word in text.split()} <= set(
        grammar.vocabulary()
    )


def test_more_sentences_than_there_are_is_an_error(monkeypatch):
    monkeypatch.setattr(grammar, "TEMPLATES", ("the cat is so big",))
    with pytest.raises(ValueError, match="asked for 2 new sentences.*gave 1"):
        grammar.sentences(2, random.Random(0), set())


def test_a_seed_gives_a_plan_with_unseen_voices_and_sentences():
    import make_corpus

    plan = make_corpus.plan(seed=3, smoke=False)
    assert plan == make_corpus.plan(seed=3, smoke=False)
    assert plan != make_corpus.plan(seed=4, smoke=False)
    texts = [text for rows in plan.values() for _, _, text in rows]
    assert len(texts) == len(set(texts))
    voices = {name: {v for v, _, _ in rows} for name, rows in plan.items()}
    assert voices["dev"] == voices["train"]
    assert not voices["test"] & voices["train"]
    assert len(voices["test"]) == 4 and len(plan["train"]) == 2520


def test_bigram_probabilities_sum_to_one(tmp_path):
    rng = random.Random(0)
    lm.write_bigram(grammar.sentences(200, rng, set()), tmp_path / "a.lm")
    section, unigram, backoff, bigram = "", {}, {}, {}
    for line in (tmp_path / "a.lm").read_text().splitlines():
        if line.startswith("\\"):
            section = line
        elif section == "\\1-grams:" and line:
            value, word, *weight = line.split()
            unigram[word] = 10 ** float(value)
            backoff[word] = 10 ** float(weight[0]) if weight else 1.0
        elif section == "\\2-grams:" and line:
            value, first, second = line.split()
            bigram.setdefault(first, {})[second] = 10 ** float(value)
    assert sum(unigram.values()) == pytest.approx(1.0, abs=0.01)
    for first in ("<s>", "THE", "ANNA"):
        rest = sum(p for word, p in unigram.items() if word not in bigram[first])
        total = sum(bigram[first].values()) + backoff[first] * rest
        assert total == pytest.approx(1.0, abs=0.01)


def test_dictionary_keeps_variants_and_names_missing_words(tmp_path):
    entries = {"A": [["AH"], ["EY"]], "B": [["B", "IY"]]}
    lm.write_dictionary(["B", "A"], entries, tmp_path / "d")
    assert (tmp_path / "d").read_text() == "A AH\nA(2) EY\nB B IY\n"
    with pytest.raises(ValueError, match="ZEBRA"):
        lm.write_dictionary(["ZEBRA"], entries, tmp_path / "d")
