"""Imports that cost nothing until they are used."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """A module that is imported when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def import_lazily(name: str) -> None:
    """Let `import name` cost nothing until the module is used.

    The standard library's `LazyLoader` would not do: typeguard looks at the files of
    all modules, which wakes it.
    """
    spec = importlib.util.find_spec(name) if name not in sys.modules else None
    if spec is not None:
        sys.modules[name] = LazyModule(name)
        sys.modules[name].__spec__ = spec
