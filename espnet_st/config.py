"""Building parts from YAML: a name, a mapping of options, and clear refusals."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def choose(what: str, choices: Mapping[str, T], name: str) -> T:
    """Look up the choice called `name`.

    Args:
        what: What is chosen, as the YAML names it, for messages.
        choices: What there is, by name.
        name: Which of them.

    Raises:
        ValueError: If there is no such choice.
    """
    if name not in choices:
        raise ValueError(f"{what}: {name!r} is unknown; choose from {sorted(choices)}")
    return choices[name]


def check_keys(what: str, keys: Iterable[str], known: Iterable[str]) -> None:
    """Refuse keys that are not known.

    Args:
        what: Where the keys stand, for messages.
        keys: What came.
        known: What there is.

    Raises:
        ValueError: If a key is unknown.
    """
    known = sorted(known)
    unknown = sorted(set(keys) - set(known))
    if unknown:
        raise ValueError(f"{what} has unknown keys {unknown}; it knows {known}")


def call_with_conf(
    what: str,
    function: Callable[..., T],
    conf: Mapping[str, Any] | None,
    fixed: Mapping[str, Any] | None = None,
) -> T:
    """Call a function or class with the options of a YAML block.

    Args:
        what: The block's name in the YAML without its `_conf`, for messages.
        function: What is called.
        conf: Options; those left out keep their defaults.
        fixed: Arguments that the model sets itself, where the function has them.

    Raises:
        ValueError: If an option is unknown.
    """
    parameters = set(inspect.signature(function).parameters)
    fixed = {key: value for key, value in (fixed or {}).items() if key in parameters}
    conf = dict(conf or {})
    check_keys(f"{what}_conf", conf, parameters - set(fixed))
    return function(**conf, **fixed)


def build_part(
    what: str,
    choices: Mapping[str, Callable[..., T]],
    name: str,
    conf: Mapping[str, Any] | None,
    fixed: Mapping[str, Any] | None = None,
) -> T:
    """Build the part called `name` with the options of its YAML block.

    Args:
        what: The block's name in the YAML, for messages.
        choices: What builds it, by name.
        name: Which of them.
        conf: Options; those left out keep their defaults.
        fixed: Arguments that the model sets itself, where the part has them.

    Raises:
        ValueError: If the name or an option is unknown.
    """
    return call_with_conf(what, choose(what, choices, name), conf, fixed)
