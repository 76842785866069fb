"""Which characters a G2P reads, by their scripts."""

import pytest

from espnet_st.inference.scripts import foreign_characters

ENGLISH = "espeak_ng_english_us_vits"


@pytest.mark.parametrize(
    ("g2p", "text", "foreign"),
    [
        (ENGLISH, "日本語", "日本語"),
        (ENGLISH, "I like 日本 a lot", "日本"),
        (ENGLISH, "Привет", "Привет"),
        (ENGLISH, "नमस्ते", "नमस्ते"),
        (ENGLISH, "١ and 1", "١"),
        (ENGLISH, 'Café, naïve: "Straße" costs 3 €… – π, ½ ﬁ Ａ１ µ ª ʼ', ""),
        (ENGLISH, "...", ""),
        (ENGLISH, "nai\u0308ve ❤\ufe0f", ""),
        ("espeak_uslm", "日 a", "日"),
        ("g2p_en_no_space", "π a", "π"),
        ("espeak_ng_russian", "Привет, world", ""),
        ("espeak_ng_hindi", "नमस्ते", ""),
        ("espeak_ng_arabic", "سلام ١٢", ""),
        ("espeak_ng_greek", "Καλημέρα", ""),
        ("pyopenjtalk_prosody", "日本のラーメン々 ｶﾅ NHK", ""),
        ("pyopenjtalk", "한국", "한국"),
        ("pypinyin_g2p_phone", "你好。", ""),
        ("pypinyin_g2p", "ひ", "ひ"),
        ("korean_jaso", "한국 LG", ""),
        ("g2pk", "日", "日"),
        ("g2p_is", "Það", ""),
        (None, "日", ""),  # the text is phonemes
        ("a_g2p_of_tomorrow", "日", ""),
    ],
)
def test_characters_of_other_scripts_are_found(g2p, text, foreign):
    assert foreign_characters(text, g2p) == sorted(set(foreign))


def test_every_g2p_of_espnet_has_its_scripts():
    from espnet2.text.phoneme_tokenizer import g2p_choices

    from espnet_st.inference.scripts import known_scripts

    assert all(known_scripts(g2p) for g2p in g2p_choices if g2p is not None)
