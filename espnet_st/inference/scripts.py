"""Scripts that a grapheme-to-phoneme converter (G2P) reads.

A G2P says nothing of a character that it does not know: espeak-ng's English spells a
Chinese text as "Chinese letter, Chinese letter", others leave it out.
"""

from __future__ import annotations

import unicodedata

ANY_SCRIPT = {"LATIN", "MODIFIER LETTER", "COMBINING", "VARIATION SELECTOR"}
EAST_ASIAN = {"CJK", "IDEOGRAPHIC"}
SCRIPTS = {
    "pyopenjtalk": EAST_ASIAN | {"HIRAGANA", "KATAKANA", "GREEK", "CYRILLIC"},
    "pypinyin": EAST_ASIAN | {"BOPOMOFO"},
    "g2pk": {"HANGUL"},
    "korean_jaso": {"HANGUL"},
    "espeak_ng_arabic": {"ARABIC"},
    "espeak_ng_russian": {"CYRILLIC"},
    "espeak_ng_ukrainian": {"CYRILLIC"},
    "espeak_ng_hindi": {"DEVANAGARI"},
    "espeak": {"GREEK"},
    "g2p_en": set(),
    "g2p_is": set(),
}
"""Words in the Unicode names of the characters that a G2P reads besides Latin ones, by
what the G2P's name starts with. Every espeak-ng voice names Greek letters."""


def known_scripts(g2p: str | None) -> set[str] | None:
    """List the scripts that a G2P reads; None for a G2P that is not in `SCRIPTS`."""
    found = [
        scripts for name, scripts in SCRIPTS.items() if (g2p or "").startswith(name)
    ]
    return ANY_SCRIPT.union(*found) if found else None


def foreign_characters(text: str, g2p: str | None) -> list[str]:
    """Find the letters, their marks and digits of a text that a G2P does not read.

    Args:
        text: What the G2P is to read.
        g2p: ESPnet's name of the G2P.

    Returns:
        The characters, each once, in order; none for a G2P that is not in `SCRIPTS`.
    """
    known = known_scripts(g2p)
    if known is None:
        return []
    return sorted({one for one in text if not _is_known(one, known)})


def _is_known(character: str, known: set[str]) -> bool:
    """Tell whether a character is of these scripts, or no letter, mark or digit."""
    # Ligatures, full-width forms and the like stand for characters of a script.
    for one in unicodedata.normalize("NFKC", character):
        is_mark = unicodedata.category(one).startswith("M")
        if not one.isascii() and (one.isalpha() or one.isdecimal() or is_mark):
            name = unicodedata.name(one, "")
            if not any(script in name for script in known):
                return False
    return True
