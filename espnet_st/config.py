"""Building parts from YAML: a name, a mapping of options, and clear refusals."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def build_part(
    what: str,
    choices: Mapping[str, Callable[..., T]],
    name: str,
    conf: Mapping[str, Any] | None,
    **fixed: Any,
) -> T:
    """Build the part called `name` with the options of its YAML block.

    Args:
        what: The block's name in the YAML, for messages.
        choices: What builds it, by name.
        name: Which of them.
        conf: Options; those left out keep their defaults.
        fixed: Arguments that the model sets itself.

    Raises:
        ValueError: If the name or an option is unknown.
    """
    if name not in choices:
        raise ValueError(f"{what}: {name!r} is unknown; choose from {sorted(choices)}")
    conf = dict(conf or {})
    known = set(inspect.signature(choices[name]).parameters) - set(fixed)
    unknown = sorted(set(conf) - known)
    if unknown:
        raise ValueError(
            f"{what}_conf has unknown keys {unknown}; {name} knows {sorted(known)}"
        )
    return choices[name](**conf, **fixed)
