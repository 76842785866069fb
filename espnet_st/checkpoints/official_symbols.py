"""Turning the USLM release's table of symbols to a token list, and back.

The ids in a k2symbols file are not those of the model: the official code puts <pad>,
<bos> and <eos> first and sorts the symbols (0nutation/USLM, `data/collation.py`;
k2-fsa/k2, `k2/python/k2/symbol_table.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

SPECIAL_TOKENS = ["<pad>", "<bos>", "<eos>"]
"""Tokens that the official code adds, ids 0 to 2."""

WORD = "_"
"""The symbol between two words."""

NULL = "<eps>"
UNKNOWN = "<unk>"


def read_symbols(text: str) -> list[str]:
    """Read the symbols of a k2symbols file, in the order of their ids in it.

    Args:
        text: Lines of a symbol and its id; symbols hold no white space.

    Raises:
        ValueError: If a line is no such pair, a symbol or an id comes twice, or what
            the official code needs is missing or taken.
    """
    symbols: dict[int, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2 or not (fields[1].isascii() and fields[1].isdigit()):
            raise ValueError(f"line {number} is {line!r}: expected a symbol and its id")
        symbol, index = fields[0], int(fields[1])
        if index in symbols or symbol in symbols.values():
            raise ValueError(f"line {number}: {line!r} has a symbol or an id once more")
        if symbol in SPECIAL_TOKENS:
            raise ValueError(f"line {number}: {symbol} is added by the official code")
        symbols[index] = symbol
    symbols.setdefault(0, NULL)
    if WORD not in symbols.values():
        raise ValueError(f"no symbol {WORD!r}, which stands between words")
    return [symbols[index] for index in sorted(symbols)]


def token_list(symbols: Sequence[str], size: int) -> list[str]:
    """Name all rows of a text table.

    The first spare row is named <unk>, which ESPnet needs and which was never
    trained; names of the others hold a space, so that no symbol can be one.

    Args:
        symbols: What `read_symbols` gives.
        size: Rows of the table.

    Raises:
        ValueError: If the table is too small.
    """
    tokens = [*SPECIAL_TOKENS, *sorted(symbols)]
    if UNKNOWN not in tokens:
        tokens.append(UNKNOWN)
    if len(tokens) > size:
        raise ValueError(
            f"the text table has {size} rows, and {len(tokens)} tokens need one: is "
            "the k2symbols file the model's?"
        )
    return tokens + [f"<unused {index}>" for index in range(len(tokens), size)]


def symbols_of(tokens: Sequence[str]) -> list[str]:
    """Give the sorted symbols of a token list: the inverse of `token_list`.

    Raises:
        ValueError: If the official code would give these tokens other ids.
    """
    known = [token for token in tokens[len(SPECIAL_TOKENS) :] if " " not in token]
    for symbols in (known[:-1], known):
        if WORD in symbols and token_list(symbols, len(tokens)) == list(tokens):
            return symbols
    raise ValueError(
        f"the official code has tokens {', '.join(SPECIAL_TOKENS)}, then its symbols "
        f"sorted, {WORD!r} among them; this token list is another"
    )


def write_symbols(symbols: Sequence[str]) -> str:
    """Write the lines of a k2symbols file; the null symbol has id 0."""
    first = [symbol for symbol in symbols if symbol == NULL]
    ordered = first + [symbol for symbol in symbols if symbol != NULL]
    return "".join(f"{symbol} {index}\n" for index, symbol in enumerate(ordered))


def special_token_ids(tokens: Sequence[str]) -> list[int]:
    """Give the ids that go before a text, between prompt and target, and after.

    Source: 0nutation/USLM, `bin/infer.py`, where prompt and target are phonemized as
    one text.
    """
    return [tokens.index(token) for token in ("<bos>", WORD, "<eos>")]
