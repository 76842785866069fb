"""Text tokens of the release: symbols, ids, phonemes."""

import re

import pytest
from official_uslm import SYMBOLS

from espnet_st.checkpoints.official_symbols import (
    read_symbols,
    special_token_ids,
    symbols_of,
    token_list,
    write_symbols,
)
from espnet_st.checkpoints.uslm_release import G2P
from espnet_st.inference.espeak import phonemes
from espnet_st.inference.text import TextTokens


def test_ids_are_those_of_the_official_collater_and_not_the_files():
    symbols = read_symbols("b 2\n<eps> 0\n\n_ 1\nə 7\na 3\n")
    assert symbols == ["<eps>", "_", "b", "a", "ə"]
    tokens = token_list(symbols, 11)
    assert tokens == [
        *("<pad>", "<bos>", "<eos>", "<eps>", "_", "a", "b", "ə"),
        *("<unk>", "<unused 9>", "<unused 10>"),
    ]
    assert special_token_ids(tokens) == [1, 4, 2]


def test_the_null_symbol_is_added_where_the_file_has_none():
    assert read_symbols("_ 1\na 2") == ["<eps>", "_", "a"]


@pytest.mark.parametrize("symbols", [SYMBOLS, [*SYMBOLS, "<unk>"], ["zz", "_"]])
@pytest.mark.parametrize("spare", [1, 5])
def test_tokens_and_back(symbols, spare):
    symbols = sorted(["<eps>", *symbols])
    size = 3 + len(symbols) + spare
    tokens = token_list(symbols, size)
    assert len(set(tokens)) == size and "<unk>" in tokens
    assert symbols_of(tokens) == symbols
    assert sorted(read_symbols(write_symbols(symbols))) == symbols


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("_ 1\na", "line 2 is 'a': expected a symbol and its id"),
        ("_ 1\na b", "expected a symbol and its id"),
        ("_ 1\na -1", "expected a symbol and its id"),
        ("_ 1\na 2\na 3", "line 3: 'a 3' has a symbol or an id once more"),
        ("_ 1\na 1", "once more"),
        ("_ 1\n<bos> 2", "<bos> is added by the official code"),
        ("a 1", "no symbol '_'"),
    ],
)
def test_a_wrong_table_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_symbols(text)


def test_a_table_too_small_is_refused():
    with pytest.raises(ValueError, match="has 5 rows, and 6 tokens need one"):
        token_list(["_", "a"], 5)


@pytest.mark.parametrize(
    "tokens",
    [
        ["<blank>", "<unk>", "_", "a", "<sos/eos>"],
        ["<pad>", "<bos>", "<eos>", "b", "_", "<unk>"],
        ["<pad>", "<bos>", "<eos>", "a", "<unk>"],
    ],
)
def test_other_token_lists_are_refused(tokens):
    with pytest.raises(ValueError, match="this token list is another"):
        symbols_of(tokens)


def test_phonemes_are_single_and_words_apart():
    tokens = phonemes(" Hello there, you (all)! Is it 5? ")
    assert tokens[0] == "h" and tokens.count("_") == 6
    assert all(re.fullmatch(r"\w+|[^\w\s|]", token) for token in tokens)
    assert {",", "(", ")", "!", "?", "oʊ"} <= set(tokens)
    assert not {"ˈ", "ˌ", "|", "-"} & set("".join(tokens))
    one, other = phonemes("Hello there."), phonemes("How are you?")
    # The prompt's text and the target's, phonemized as one in the official code.
    assert phonemes("Hello there. How are you?") == [*one, "_", *other]


def test_text_becomes_ids_by_the_releases_phonemes():
    words = phonemes("a bee")
    tokens = token_list(sorted({"<eps>", "_", *words}), 12)
    config = dict(token_type="phn", g2p=G2P, token_list=tokens)
    ids = TextTokens(config)("a bee")
    assert [tokens[i] for i in ids] == words
