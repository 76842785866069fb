"""The sentences of `mini`: a template grammar over a few hundred words.

Everything here is this project's own text. Each template is a row of slots; a slot
in capitals names a word class, anything else is the word itself. Every word is in
pocketsphinx's dictionary (a test holds that), so no grapheme-to-phoneme model is
needed. Speech and dictionaries live in the neighbouring files.
"""

import random

CLASSES = {
    "NAME": (
        "anna peter julia martin clara robert nora thomas sarah david emma george "
        "laura joseph helen victor"
    ),
    "ROLE": (
        "teacher doctor farmer sailor painter singer baker driver judge soldier "
        "student writer dancer pilot brother sister mother father uncle boy girl "
        "child king queen neighbor"
    ),
    "ANIMAL": "horse dog cat bird fish sheep mouse rabbit goose snake tiger bear",
    "THING": (
        "book letter picture chair table box bottle clock lamp mirror window door "
        "key coin ring shoe hat coat blanket basket bicycle boat engine kettle "
        "ladder pencil piano guitar toy treasure machine ticket cup knife spoon "
        "bell wheel hammer rope candle"
    ),
    "PLURAL": (
        "apples oranges flowers stones bottles letters horses children birds "
        "branches potatoes cherries pictures boxes matches roses shirts chairs "
        "voices songs stories wheels lemons onions stars"
    ),
    "PLACE": (
        "house garden kitchen station river bridge forest village market school "
        "church mountain harbor island garage office valley museum theater "
        "bathroom tower beach road castle field"
    ),
    "ADJ": (
        "small large old new red green yellow brown white black heavy quiet strange "
        "beautiful broken empty open dirty clean warm cold golden wooden round "
        "narrow bright dark thick soft young curious"
    ),
    "FEEL": "happy tired hungry angry afraid ready sure busy late sorry proud thirsty",
    "COLOR": "red green yellow brown white black blue gray purple orange pink",
    "DID": (
        "found lost bought sold carried painted washed opened closed watched moved "
        "noticed dropped cleaned borrowed needed wanted remembered covered pushed"
    ),
    "DO": (
        "find lose buy sell carry paint wash open close watch move notice drop clean "
        "borrow need use show bring choose"
    ),
    "WENT": "walked traveled hurried returned climbed moved drove ran wandered",
    "SAID": "laughed waited worked shouted listened slept sang smiled stayed played",
    "PREP": "near behind above under beside inside outside beyond",
    "TO": "toward across through past around into",
    "WHEN": "today yesterday tomorrow tonight again now early together",
    "DAY": "monday tuesday wednesday thursday friday saturday sunday",
    "NUMBER": (
        "two three four five six seven eight nine ten eleven twelve twenty thirty fifty"
    ),
    "MODAL": "will can should must could may",
    "HOW": "slowly quickly usually often always never finally carefully",
    "FOOD": "bread cheese soup rice butter honey sugar coffee juice water milk salt",
    "WEATHER": "rain snow wind thunder fog sunshine",
}

TEMPLATES = (
    "the ADJ ROLE DID the ADJ THING",
    "the ROLE DID NUMBER PLURAL PREP the PLACE",
    "NAME DID the THING PREP the ADJ PLACE",
    "NAME MODAL DO the THING on DAY",
    "NAME and NAME WENT TO the ADJ PLACE",
    "the ANIMAL WENT TO the PLACE WHEN",
    "there are NUMBER PLURAL PREP the THING",
    "there was a ADJ ANIMAL PREP the PLACE",
    "where is the THING that NAME DID",
    "why is the ROLE so FEEL WHEN",
    "did the ADJ ROLE DO the COLOR THING",
    "please DO the THING PREP the PLACE",
    "please bring us FOOD and FOOD WHEN",
    "we HOW DO FOOD and FOOD on DAY",
    "they SAID PREP the PLACE until DAY",
    "the ROLE was FEEL because of the WEATHER",
    "my ROLE has a ADJ COLOR THING",
    "her THING is COLOR and his is COLOR",
    "NAME HOW SAID with the ROLE",
    "no ROLE could DO this ADJ THING",
    "which THING MODAL the ROLE DO WHEN",
    "I think NAME is FEEL WHEN",
    "give the ANIMAL some FOOD and water",
    "after the WEATHER the PLACE was ADJ",
    "how many PLURAL did NAME DO",
    "a THING and NUMBER PLURAL cost NUMBER dollars",
    "you MODAL HOW DO the COLOR THING",
    "our ROLE thought the PLACE was ADJ",
)

MIN_WORDS, MAX_WORDS = 5, 9


def vocabulary() -> list[str]:
    """List every word the grammar can say, upper case and sorted."""
    words = {word for row in CLASSES.values() for word in row.split()}
    words |= {w for row in TEMPLATES for w in row.split() if w not in CLASSES}
    return sorted(word.upper() for word in words)


def sentence(rng: random.Random) -> str:
    """Make a sentence: a template with each slot filled, no content word twice."""
    words: list[str] = []
    for slot in rng.choice(TEMPLATES).split():
        choices = CLASSES[slot].split() if slot in CLASSES else [slot]
        words.append(rng.choice([w for w in choices if w not in words] or choices))
    return " ".join(words).upper()


def sentences(count: int, rng: random.Random, taken: set[str]) -> list[str]:
    """`count` new sentences, none of them in `taken`, which grows by them.

    Raises:
        ValueError: if the grammar seems unable to give that many.
    """
    fresh: list[str] = []
    for _ in range(100 * count + 100):
        if len(fresh) == count:
            return fresh
        text = sentence(rng)
        if text not in taken and MIN_WORDS <= len(text.split()) <= MAX_WORDS:
            taken.add(text)
            fresh.append(text)
    raise ValueError(
        f"asked for {count} new sentences, the grammar gave {len(fresh)} in "
        f"{100 * count + 100} draws: ask for fewer, or add words or templates"
    )
