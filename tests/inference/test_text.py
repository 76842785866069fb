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
