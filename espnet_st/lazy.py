"""Imports that cost nothing until they are used."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stand for a module, and import it when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def import_lazily(name: str) -> None:
    """Make `import NAME` cost nothing until the module is used.

    The standard library's `LazyLoader` does not serve here: typeguard reads the file
    of every module, which makes that loader import it.

    Args:
        name: A module's full name. Nothing happens if it is imported already, or is
            not installed.
    """
    spec = importlib.util.find_spec(name) if name not in sys.modules else None
    if spec is not None:
        sys.modules[name] = LazyModule(name)
        sys.modules[name].__spec__ = spec
