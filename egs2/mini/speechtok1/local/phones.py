"""From each synthesizer's phone names to one ARPAbet set without stress.

A segment is `(start, end, phone)` in seconds. Synthesis lives in `synthesize.py`.
"""

SILENCE = "SIL"
ARPABET = frozenset(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH "
    "T TH UH UW V W Y Z ZH".split()
)

Segment = tuple[float, float, str]

# Flite and festival share one set: ARPAbet in lower case with these additions.
_FESTIVAL = {
    "pau": (SILENCE,),
    "h#": (SILENCE,),
    "brth": (SILENCE,),
    "ssil": (SILENCE,),
    "ax": ("AH",),
    "axr": ("ER",),
    "dx": ("T",),
    "el": ("AH", "L"),
    "em": ("AH", "M"),
    "en": ("AH", "N"),
    "hv": ("HH",),
    "nx": ("N",),
}

# espeak-ng's mnemonics for American and British English. The length of a phone that
# stands for two is halved between them. An empty row joins the phone before it.
_ESPEAK_TABLE = """
_ SIL | _: SIL | _! SIL | _| SIL | || SIL
p P | b B | t T | t# T | t2 T | d D | d# D | k K | g G | m M | n N | N NG
f F | v V | T TH | D DH | s S | z Z | S SH | Z ZH | h HH | tS CH | dZ JH
l L | L L | r R | r- R | r/ R | w W | j Y | ? | ; | ;/ | : | - | @- AH
a AE | aa AE | a# AH | A: AA | A AA | A# AA | 0 AA | 0# AO | O: AO | O AO | O2 AO
V AH | @ AH | @2 AH | @5 AH | @# AH | e EH | E EH | E2 EH | E# IH | I IH | I# IH
I2 IH | i IY | i: IY | U UH | u UW | u: UW | 3 ER | 3: ER
eI EY | aI AY | OI OY | oU OW | aU AW | @L AH L | @l AH L | n- AH N | m- AH M
A@ AA R | A@r AA R | O@ AO R | o@ AO R | O@r AO R | e@ EH R | i@ IH R | i@3 IH R
I@ IH R | U@ UH R | aI@ AY ER | aI3 AY ER | aU@ AW ER | @r ER | V3 ER | I3 IH R
"""
_ESPEAK = {
    entry.split()[0]: tuple(entry.split()[1:])
    for line in _ESPEAK_TABLE.strip().splitlines()
    for entry in line.split(" | ")
}


def common_phones(phone: str, backend: str) -> tuple[str, ...]:
    """Return the ARPAbet phones, none to two, that a synthesizer's name stands for.

    Raises:
        ValueError: on a name that the backend's table does not hold.
    """
    if backend in ("flite", "festival"):
        if phone in _FESTIVAL:
            return _FESTIVAL[phone]
        if phone.upper() in ARPABET:
            return (phone.upper(),)
    elif backend == "espeak" and phone in _ESPEAK:
        return _ESPEAK[phone]
    raise ValueError(
        f"phone {phone!r} of backend {backend!r} is in no table: add it to phones.py"
    )


def common_segments(segments: list[Segment], backend: str) -> list[Segment]:
    """Rename segments; neighbouring silences and empty names are joined."""
    renamed: list[Segment] = []
    for start, end, phone in segments:
        names = common_phones(phone, backend)
        joins = not names or (names == (SILENCE,) and _is_silence(renamed))
        if joins and renamed:
            renamed[-1] = (renamed[-1][0], end, renamed[-1][2])
            continue
        step = (end - start) / max(len(names), 1)
        for i, name in enumerate(names):
            renamed.append((start + i * step, start + (i + 1) * step, name))
    return [segment for segment in renamed if segment[1] > segment[0]]


def _is_silence(segments: list[Segment]) -> bool:
    return bool(segments) and segments[-1][2] == SILENCE
