"""Texts to tokens as ESPnet's preprocessor makes them."""

import subprocess
import sys

import pytest

from espnet_st.inference.text import TextTokens, build_tokenizer


def test_decoding_imports_neither_tasks_nor_g2p_en():
    code = (
        "import sys, espnet_st.inference.text2speech\n"
        "from espnet_st.inference.text import build_tokenizer\n"
        "build_tokenizer(dict(token_type='phn', g2p=None))\n"
        "heavy = ('espnet2.tasks', 'nltk', 'inflect', 'transformers')\n"
        "sys.exit(str([name for name in sys.modules if name.startswith(heavy)]))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "config, text",
    [
        (dict(token_type="char"), "ab c"),
        (dict(token_type="word"), "ab c ab"),
        (dict(token_type="phn", g2p="espeak_ng_english_us_vits"), "Hello there."),
        (dict(token_type="phn", g2p=None, cleaner="tacotron"), "a b"),
    ],
)
def test_tokens_are_those_of_espnets_preprocessor(config, text):
    from espnet2.train.preprocessor import CommonPreprocessor

    tokens = build_tokenizer(config).text2tokens(text)
    config = config | dict(token_list=["<unk>", *sorted({*tokens, *"AB"})])
    theirs = CommonPreprocessor(
        train=False,
        token_type=config["token_type"],
        token_list=config["token_list"],
        text_cleaner=config.get("cleaner"),
        g2p_type=config.get("g2p"),
    )("utt", dict(text=text))["text"]
    assert TextTokens(config)(text).tolist() == theirs.tolist()


def test_other_tokens_are_refused():
    with pytest.raises(ValueError, match="token_type 'hug'"):
        build_tokenizer(dict(token_type="hug"))


@pytest.fixture(scope="module")
def english():
    """Gives the tokens of English by espeak-ng that a list lacks none of."""
    config = dict(token_type="phn", g2p="espeak_ng_english_us_vits")
    words = "I like a lot, you and me; hello there, red rope farmer"
    phones = {*build_tokenizer(config).text2tokens(words)} - {",", ";"}
    return config | dict(token_list=["<unk>", *sorted(phones)])


def spoken(tokens, ids):
    return "".join(tokens.converter.ids2tokens(ids.numpy()))


@pytest.mark.parametrize("text", ["日本語", "Привет", "日本。", "हिन्दी"])
def test_a_text_of_another_script_is_refused_before_the_g2p(english, text):
    tokens = TextTokens(english)
    with pytest.raises(ValueError, match="the G2P espeak_ng_english_us_vits does not"):
        tokens(text)


def test_words_of_another_script_are_named_and_left_out(english, caplog):
    tokens = TextTokens(english)
    assert tokens("I like 日本 a lot").equal(tokens("I like a lot"))
    assert "does not read: ['日', '本']; they are left out" in caplog.text
    caplog.clear()
    tokens("I like 日 and 本")
    assert not caplog.text  # each is named once
    parts = tokens.parts("Hello there. 日本。 You and me.", 14)
    assert [spoken(tokens, one) for one in parts] == [
        spoken(tokens, tokens(one)) for one in ("Hello there.", "You and me.")
    ]
    tokens.parts("Hello there. 語。 You and me.", 14)
    assert "does not read: ['語']" in caplog.text


def test_punctuation_that_the_model_never_saw_is_left_out_quietly(english, caplog):
    tokens = TextTokens(english)
    plain = tokens("hello there and you")
    assert tokens('"Hello, there" - and (you)...').equal(plain)
    assert not caplog.text and 0 not in plain
    knows = TextTokens(english | dict(token_list=[*english["token_list"], "."]))
    assert spoken(knows, knows("Hello there, you.")).endswith(".")
    with pytest.raises(ValueError, match="nothing to speak"):
        tokens("...")


def test_other_unknown_symbols_are_named_once(caplog):
    tokens = TextTokens(dict(token_type="char", token_list=["<unk>", "a", "<space>"]))
    assert tokens("a z!").tolist() == [1, 2, 0]
    assert tokens("a zz, a").tolist() == [1, 2, 0, 0, 2, 1]
    assert caplog.text.count("never saw: ['z']; they become <unk>") == 1
    assert tokens("a z y").tolist() == [1, 2, 0, 2, 0]
    assert "never saw: ['y', 'z']" in caplog.text


def test_what_is_not_spoken_is_listed_without_a_warning(english, caplog):
    tokens = TextTokens(english)
    assert tokens.unspoken("I like 日本, a lot.") == ["日", "本"]
    assert tokens.unspoken("hello there") == []
    letters = TextTokens(dict(token_type="char", token_list=["<unk>", "a", "<space>"]))
    assert letters.unspoken("a zz y!") == ["y", "z"]
    assert not caplog.text


def test_no_space_is_left_where_punctuation_was():
    tokens = TextTokens(dict(token_type="char", token_list=["<unk>", "a", "<space>"]))
    assert tokens("- a – a .").tolist() == [1, 2, 1]
    assert tokens(" a  a ").tolist() == [2, 1, 2, 2, 1, 2]  # as ESPnet reads it
